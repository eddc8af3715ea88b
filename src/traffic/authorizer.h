// May this caller use this service? The one evaluator of policies, for agents, servers and
// `explain`. Pure.
#pragma once

#include <string_view>

#include "model/identity.h"
#include "model/mesh_snapshot.h"

namespace hawser::traffic {

// `rule` names what decided and lives as long as the snapshot: a policy's name, or
// "default_policy" when none matched.
struct Verdict {
    bool allowed = false;
    std::string_view rule;
    // A shadow policy that would have decided otherwise; empty: none.
    std::string_view shadow_rule;
};

// An enforced deny that matches wins over every allow; then any enforced allow; then the
// service's default_policy. Callers that are not services (nodes, servers) match no policy, not
// even from = ["*"]: only what runs as a service of the mesh can be let in.
[[nodiscard]] Verdict authorize(const model::ServiceView& service, const model::Identity& caller);

} // namespace hawser::traffic
