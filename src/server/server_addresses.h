// Where agents and operators find the servers.
#pragma once

#include <vector>

#include "base/ip.h"
#include "registry/tables.h"

namespace hawser::server {

// This server's own addresses first, then those of the other members.
[[nodiscard]] std::vector<Endpoint> addresses_of_servers(const registry::Tables& tables,
                                                         const std::vector<Endpoint>& own);

} // namespace hawser::server
