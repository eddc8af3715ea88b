// Closed-loop clients: each has a connection of its own and one call under way at a time. A call
// that fails is tried at the next endpoint, as agents and operators do.
//
// Threading: all on the calling loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"
#include "system.h"

namespace hawser::bench {

using Clock = std::chrono::steady_clock;

enum class Operation { read, write };

struct LoadOptions {
    std::vector<Endpoint> endpoints; // clients are spread over them
    Operation operation = Operation::write;
    std::size_t clients = 1;
    std::size_t keys = 1000;
    bool fill = false; // first write every key once
    std::chrono::milliseconds warmup{500};
    std::chrono::milliseconds duration{3000};
    std::chrono::milliseconds timeout{5000}; // of one call
};

struct LoadResult {
    std::uint64_t completed = 0;             // within the measured time
    std::uint64_t failed = 0;                // calls, in the whole run
    std::string first_failure;               // empty: none
    std::vector<std::uint32_t> latencies_us; // of the completed, sorted
    double seconds = 0;
    // The longest time in which no call of any client succeeded, and when it began.
    Clock::duration longest_gap{};
    Clock::time_point gap_began;

    [[nodiscard]] double per_second() const;
};

// Of sorted values; 0 without any.
[[nodiscard]] std::uint32_t percentile(const std::vector<std::uint32_t>& sorted, double percent);

// Fails when a client cannot connect at all, or its first call is refused.
[[nodiscard]] io::Task<Result<LoadResult>> run_load(const System& system, LoadOptions options);

} // namespace hawser::bench
