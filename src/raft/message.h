// What servers say to each other (figures 3.1, 3.2, 5.3, 6.1 and §9.6).
//
// The network may lose, repeat, delay and reorder messages; a sender repeats what still matters.
// What carries them must tell clusters apart and know that the sender is the server it claims to
// be: the core believes `from`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/result.h"
#include "raft/types.h"

namespace hawser::raft {

// The most that is taken from a peer in one message; Options may ask for less, not for more.
inline constexpr std::size_t max_entries_per_append = 4096;
inline constexpr std::size_t max_snapshot_chunk = 4 << 20;

// Could you vote for me in the term after mine? Promises nothing.
struct PreVoteRequest {
    Position last{}; // of the candidate's log
};
struct PreVoteReply {
    bool granted = false;
};
struct VoteRequest {
    Position last{};
    bool transfer = false; // the leader itself asked for this election (§3.10)
};
struct VoteReply {
    bool granted = false;
};

// Entries, or none: a heartbeat. `previous` at zero, where all logs agree, asks for nothing more
// than an answer.
struct AppendRequest {
    Position previous{}; // the place before the first of `entries`
    std::vector<Entry> entries{};
    Index commit = 0;
    std::uint64_t round = 0; // of heartbeats; a new one is answered at once
};

// The follower has no entry at `index` with the term that the leader's has.
struct AppendRejection {
    Index index = 0; // AppendRequest::previous
    Position hint{}; // the last place of the follower's log that may agree with the leader's
};
struct AppendReply {
    Index match = 0;         // up to here the logs agree, and the follower's is on disk
    Index received = 0;      // up to here they agree
    std::uint64_t round = 0; // the newest of this leader's that was received
    std::optional<AppendRejection> rejection{};
};

// A piece of the state machine's snapshot, in the state machine's own format.
struct SnapshotRequest {
    std::uint64_t transfer = 0; // each attempt of a leader has a higher one: pieces never mix
    Base base{};                // what the snapshot includes
    std::uint64_t offset = 0;   // of the piece
    Payload data{};             // at most max_snapshot_chunk
    bool last = false;
};
// Go on with the piece at `offset`: everything before it was kept.
struct SnapshotReply {
    std::uint64_t transfer = 0;
    std::uint64_t offset = 0;
};

// Hold an election now: you are to be the leader (§3.10).
struct TimeoutNow {};

// Which index must be applied here before a read that began now may be answered (§6.4)?
struct ReadRequest {
    std::uint64_t token = 0;
};
struct ReadReply {
    std::uint64_t token = 0;
    Index index = 0;
};

using MessageBody =
    std::variant<PreVoteRequest, PreVoteReply, VoteRequest, VoteReply, AppendRequest, AppendReply,
                 SnapshotRequest, SnapshotReply, TimeoutNow, ReadRequest, ReadReply>;

struct Message {
    ServerId from = no_server;
    ServerId to = no_server;
    Term term = 0; // the sender's
    MessageBody body;
};

// Whether a correct server could have sent this to `self`. What also depends on the receiver's
// state is judged where it is handled.
[[nodiscard]] Result<void> check_message(const Message& message, ServerId self);

} // namespace hawser::raft
