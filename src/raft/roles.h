// What a server remembers in each of its roles, beside the log. All of it is lost in a crash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "raft/event.h"
#include "raft/progress.h"

namespace hawser::raft {

// A write that the driver has been asked for and has not yet reported.
struct Outstanding {
    std::uint64_t sequence = 0;
    HardState hard_state{};
    Index first = 0; // of the places it changes; 0: none
    Index last = 0;  // of the log after it
    Instant since{};
};
// Reads that a follower asked its leader about together.
struct Question {
    std::uint64_t token = 0;
    std::vector<ReadId> reads;
    Instant since{};
};
struct Following {
    ServerId leader = no_server;
    Instant heard{};         // from the leader
    Index matched = 0;       // up to here the log agrees with the leader's
    Index acknowledged = 0;  // of that, as the leader was told
    std::uint64_t round = 0; // the newest heartbeat
    std::optional<Question> question{};
    std::vector<ReadId> reads{}; // for the next question
};
struct Campaign {
    std::set<ServerId> granted;
    bool transfer = false;  // the leader asked for it
    bool requested = false; // the others have been asked
};
// A read that this leader has not yet confirmed that it may answer.
struct LeaderRead {
    ServerId from = no_server;
    std::uint64_t id = 0;    // a ReadId, or a token of `from`
    std::uint64_t round = 0; // the first that began after the read did
};
struct Transfer {
    ServerId to = no_server;
    Instant until{};
    bool asked = false; // since the last heartbeat
};
struct Leadership {
    std::map<ServerId, Progress> peers;
    Instant since{};
    Instant next_heartbeat{};
    std::uint64_t round = 0;     // the newest that anybody was sent
    std::uint64_t broadcast = 0; // … that everybody was
    std::uint64_t transfers = 0; // of snapshots, so far
    std::deque<LeaderRead> reads;
    std::optional<Transfer> transfer;
    // The log's end now and then: who has what it held an election timeout ago has caught up.
    Index caught_up_from = 0;
    Index mark = 0;
    Instant marked{};
};
struct SnapshotReceiving {
    ServerId from = no_server;
    Term term = 0;
    std::uint64_t transfer = 0;
    Base base{};
    std::uint64_t next = 0;
    std::size_t writing = 0; // bytes that the driver has not yet reported as written
    bool busy = false;       // with them
    bool installing = false; // they are the last
};
// A read that only waits for the state machine.
struct AnsweredRead {
    ReadId id = 0;
    Index index = 0; // to be applied first
};

} // namespace hawser::raft
