// A [[service]] of agent.toml or services.d/*.toml.
#pragma once

#include "config/agent_config.h"
#include "config/decoder.h"

namespace hawser::config {

// `file` is its name, for places.
[[nodiscard]] ServiceConfig read_service(Table& table, const std::string& file);
// Problems that only the services together have: two on one port, two listeners on one endpoint.
struct PlacedService {
    ServiceConfig service;
    Place place;
};
void check_services(const std::vector<PlacedService>& services, std::size_t first,
                    Problems& problems);

} // namespace hawser::config
