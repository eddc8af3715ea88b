// `hawser server recover`: a majority of the servers is gone for good, and one that is left goes on
// alone. Offline, on that server.
//
// Everything in its log is applied, whether the others had agreed on it or not; whatever only they
// had is lost. Then it is the only member, of a registry with another epoch, by which agents know
// that what they heard from the others may not be so; and further servers join it anew.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/server_config.h"

namespace hawser::server {

struct Recovery {
    std::string trust_domain;
    std::string server;              // that goes on
    std::vector<std::string> others; // that are no members afterwards
    std::uint64_t index = 0;         // of the registry: what came later is lost
};

// What recover() would do; changes nothing. Fails while the server runs. Blocking, both.
[[nodiscard]] Result<Recovery> plan_recovery(const config::ServerConfig& config);
// May be repeated after a crash.
[[nodiscard]] Result<Recovery> recover(const config::ServerConfig& config);

} // namespace hawser::server
