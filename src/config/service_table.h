// A [[service]] of agent.toml or services.d/*.toml.
#pragma once

#include "config/agent_config.h"
#include "config/decoder.h"

namespace hawser::config {

// `file` is its name, for places.
[[nodiscard]] ServiceConfig read_service(Table& table, const std::string& file);
struct PlacedService {
    ServiceConfig service;
    Place place;
};
// All of a file, appended.
void read_services(Table& file, const std::string& name, std::vector<PlacedService>& services);
// Problems that only the services together have: two on one port, two listeners on one endpoint.
void check_services(const std::vector<PlacedService>& services, std::size_t first,
                    Problems& problems);

} // namespace hawser::config
