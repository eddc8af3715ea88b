// `hawser server recover`: a majority of the servers is gone for good, and one that is left goes on
// alone. Offline, on that server.
//
// Everything in its log is applied, whether the others had agreed on it or not; whatever only they
// had is lost. Then it is the only member, of a registry with another epoch, by which agents know
// that what they heard from the others may not be so; and further servers join it anew.
//
// Where others still run, that is a second cluster beside theirs. So they are dialled first: who
// takes a connection is not gone, whatever is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "config/server_config.h"

namespace hawser::server {

struct Recovery {
    struct Other {
        std::string name;
        std::vector<Endpoint> addresses;
        std::optional<Endpoint> answers_at{}; // now
    };
    std::string trust_domain;
    std::string server;        // that goes on
    std::vector<Other> others; // that are no members afterwards
    std::uint64_t index = 0;   // of the registry: what came later is lost
};

// What recover() would do, and which of the others answer; changes nothing. Fails while the server
// runs. Blocking, both; makes a loop of its own.
[[nodiscard]] Result<Recovery> plan_recovery(const config::ServerConfig& config);
// Asks nobody. May be repeated after a crash.
[[nodiscard]] Result<Recovery> recover(const config::ServerConfig& config);

} // namespace hawser::server
