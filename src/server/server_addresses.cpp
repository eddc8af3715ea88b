#include "server/server_addresses.h"

#include <algorithm>

namespace hawser::server {

std::vector<Endpoint> addresses_of_servers(const registry::Tables& tables,
                                           const std::vector<Endpoint>& own) {
    std::vector<Endpoint> all = own;
    for (const model::Server* server : tables.servers()) {
        for (const Endpoint& address : server->addresses) {
            if (!std::ranges::contains(all, address)) all.push_back(address);
        }
    }
    return all;
}

} // namespace hawser::server
