// What a daemon says about itself, as text and as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "base/units.h"
#include "model/proto/control.pb.h"

namespace hawser::cmd {

[[nodiscard]] nlohmann::json to_json(const v1::AgentStatusResponse& status);
[[nodiscard]] nlohmann::json to_json(const v1::ServerStatusResponse& status);
void print(const v1::AgentStatusResponse& status, WallTime now);
void print(const v1::ServerStatusResponse& status, WallTime now);

} // namespace hawser::cmd
