// Whether the mesh still takes this host for who its certificate says it is: the servers are asked
// as that node, for what only nodes of the mesh get.
#pragma once

#include <vector>

#include "agent/identity.h"
#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"

namespace hawser::agent {

// Each server in turn until one knows. unauthenticated, permission_denied: this host is out, and
// why; unavailable: none could tell. `identity` outlives the task.
[[nodiscard]] io::Task<Result<void>> ask_membership(const NodeIdentity& identity,
                                                    std::vector<Endpoint> servers);

} // namespace hawser::agent
