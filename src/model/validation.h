// The rules a resource must keep to be stored. The same functions run in the CLI (validate,
// apply), on the server before it proposes, and on the agent for what it receives.
// Each returns one clear error that names the resource and the field.
#pragma once

#include <string_view>

#include "base/result.h"
#include "model/resources.h"

namespace hawser::model {

[[nodiscard]] Result<void> check(const Service& service);
[[nodiscard]] Result<void> check(const Instance& instance);
[[nodiscard]] Result<void> check(const Node& node);
[[nodiscard]] Result<void> check(const Policy& policy);
[[nodiscard]] Result<void> check(const JoinToken& token);
[[nodiscard]] Result<void> check(const OperatorToken& token);
[[nodiscard]] Result<void> check(const TrustDomain& domain);
[[nodiscard]] Result<void> check(const Server& server);
[[nodiscard]] Result<void> check(const HistoryEntry& entry);
[[nodiscard]] Result<void> check(const Authority& authority);
[[nodiscard]] Result<void> check(const Quarantine& quarantine);
[[nodiscard]] Result<void> check(const AuditHead& head);

// The parts of resources that configuration files hold too.
[[nodiscard]] Result<void> check_label(std::string_view key, std::string_view value);
[[nodiscard]] Result<void> check_zone(std::string_view zone); // "eu-west-1/a"; empty is none
[[nodiscard]] Result<void> check_vip_range(const Cidr& range, bool v4);

} // namespace hawser::model
