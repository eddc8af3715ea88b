// Concurrent clients that read, write, compare-and-set and watch a few registers through any
// server, while somebody breaks the servers.
//
// Registers are replaced by new ones after some calls, and sooner once several outcomes on them are
// unknown: checking a history takes time exponential in how much of it overlaps.
//
// Threading: all on one loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "history.h"
#include "io/loop.h"
#include "servers.h"

namespace hawser::chaos {

struct WorkloadOptions {
    Servers servers;
    std::size_t clients = 8;
    std::size_t watchers = 3;
    std::size_t registers = 4; // at a time
    std::uint32_t seed = 1;
    std::chrono::milliseconds final_timeout{20000}; // for all final reads, and for the watchers
};

// Runs until `stopped` says so, then reads every register once more, and waits until the watchers
// were told of everything that was acknowledged. Fails when a server answers what no fault explains
// (that the token is unknown, say), or when the end takes too long.
[[nodiscard]] io::Task<Result<void>> run_workload(WorkloadOptions options, History& history,
                                                  const bool& stopped);

} // namespace hawser::chaos
