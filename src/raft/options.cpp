#include "raft/options.h"

#include "raft/message.h"

namespace hawser::raft {

Result<void> check_options(const Options& options) {
    using std::chrono::milliseconds;
    if (options.heartbeat < milliseconds(1) || options.election_min < 2 * options.heartbeat ||
        options.election_max < options.election_min) {
        return fail(ErrorCode::invalid,
                    "raft's times contradict each other: election_min must be at least two "
                    "heartbeats, and election_max at least election_min");
    }
    if (options.append_entries == 0 || options.append_entries > max_entries_per_append ||
        options.append_bytes == 0 || options.appends_in_flight == 0 ||
        options.snapshot_chunk == 0 || options.snapshot_chunk > max_snapshot_chunk ||
        options.uncommitted_entries == 0 || options.uncommitted_bytes == 0 ||
        options.reads_in_flight == 0) {
        return fail(ErrorCode::invalid, "one of raft's sizes is zero or too large");
    }
    return {};
}

} // namespace hawser::raft
