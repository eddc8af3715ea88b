// Resources as JSON, for --json: stable keys, snake_case; times as RFC 3339 or null.
#pragma once

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/proto/control.pb.h"
#include "model/row.h"

namespace hawser::cmd {

[[nodiscard]] nlohmann::json to_json(const model::Service& service);
[[nodiscard]] nlohmann::json to_json(const model::Instance& instance);
[[nodiscard]] nlohmann::json to_json(const model::Node& node);
[[nodiscard]] nlohmann::json to_json(const model::Policy& policy);
[[nodiscard]] nlohmann::json to_json(const model::TrustDomain& domain);
[[nodiscard]] nlohmann::json to_json(const model::Server& server);
[[nodiscard]] nlohmann::json to_json(const model::Quarantine& quarantine);
// Of a row; tokens and history have no JSON form here, they have commands of their own.
[[nodiscard]] nlohmann::json to_json(const model::Change& row);

// The rows of an answer, each checked.
[[nodiscard]] Result<std::vector<model::Change>> rows_of(const v1::GetResponse& response);

} // namespace hawser::cmd
