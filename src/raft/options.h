// What may be tuned. The defaults suit servers of one region; across continents, multiply the
// times.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "raft/types.h"

namespace hawser::raft {

struct Options {
    // Must be another at each start: it randomizes election timeouts and tells apart the questions
    // of this life of the server from those of an earlier one.
    std::uint64_t seed = 1;

    std::chrono::milliseconds heartbeat{100};
    // Without a sign of life from a leader for a time between these, an election is held (§3.4).
    // For the shorter one a server refuses to depose its leader (§4.2.3); a leader that a majority
    // left unanswered for the longer one steps down (§6.2).
    std::chrono::milliseconds election_min{600};
    std::chrono::milliseconds election_max{1200};

    // One append carries at most this; one entry always fits.
    std::size_t append_entries = 1024;
    std::size_t append_bytes = 1 << 20;
    // Appends that one peer was sent and has not acknowledged.
    std::size_t appends_in_flight = 64;
    std::size_t snapshot_chunk = 1 << 20;

    // What the log keeps when it is compacted; and how much more, at most, for a peer in contact
    // that needs it: one that is a little behind, or will be when its snapshot is installed.
    Index trailing_entries = 8192;
    Index trailing_for_peers = 65'536;
    // Of both, no more than this: the log is in memory.
    std::uint64_t trailing_bytes = 32 << 20;
    std::uint64_t trailing_bytes_for_peers = 64 << 20;

    // Accepted, and not yet committed or not yet on this server's disk. One batch always fits.
    Index uncommitted_entries = 16'384;
    std::uint64_t uncommitted_bytes = 64 << 20;
    std::size_t reads_in_flight = 16'384;
};

[[nodiscard]] Result<void> check_options(const Options& options);

} // namespace hawser::raft
