// What a daemon says about itself, as text and as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>

#include "base/units.h"
#include "model/proto/control.pb.h"

namespace hawser::cmd {

// What an agent says, and whether the kernel has the rules it wants; nothing if it could not tell.
struct AgentView {
    v1::AgentStatusResponse status;
    std::optional<bool> rules_match;
};

[[nodiscard]] nlohmann::json to_json(const AgentView& agent);
[[nodiscard]] nlohmann::json to_json(const v1::ServerStatusResponse& status);
void print(const AgentView& agent, WallTime now);
void print(const v1::ServerStatusResponse& status, WallTime now);

} // namespace hawser::cmd
