// What a leader knows of another server and how much it may send it: the same three states as
// PeerStatus tells.
//
//   probe → replicate    an answer shows where the logs agree
//   replicate → probe    an append was lost, or overtaken
//   probe → snapshot     the log no longer holds what comes next
//   snapshot → replicate the snapshot is installed
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "raft/types.h"

namespace hawser::raft {

// For whoever asks.
struct PeerStatus {
    enum class State : std::uint8_t {
        probe,     // finding out where the logs agree
        replicate, // entries are sent ahead of their acknowledgements
        snapshot,  // too far behind for the log
    };
    ServerId id = no_server;
    bool voter = false;
    State state = State::probe;
    Index match = 0; // everything up to here is on its disk
    Index next = 0;  // to be sent
    std::size_t appends_in_flight = 0;
    std::uint64_t snapshot_bytes = 0;    // sent so far
    std::optional<Instant> last_contact; // none: not since this server leads
    bool caught_up = false;              // close enough to become a voter
    Index lost_entry = 0; // it had confirmed up to here and then lost some of it; 0: not while this
                          // server leads
};

// A snapshot on its way. One piece at a time: read, sent, answered.
struct SnapshotSending {
    std::uint64_t transfer = 0;
    Base base{};              // position 0 until the first piece was read
    std::uint64_t offset = 0; // everything before it is with the peer
    std::uint64_t sent = 0;   // the end of what was sent
    bool reading = true;      // the driver has been asked for the piece at `offset`
    Instant since{};          // when the piece was sent
};

struct Progress {
    using State = PeerStatus::State;

    State state = State::probe;
    Index match = 0;    // up to here the logs agree and the peer's is on disk
    Index received = 0; // up to here they agree, as the newest answer has it
    Index next = 1;     // sent next; in `probe`, where agreement is looked for
    // `replicate`: the last entry of each append not yet acknowledged
    std::deque<Index> in_flight{};
    std::uint64_t match_round = 0; // the newest round when `match` was learned
    std::uint64_t round = 0;       // the newest heartbeat it answered
    std::uint64_t probe_round = 0; // what does not answer this one is from before the probe
    std::uint64_t lost_round = 0;  // what does not answer this one or a later is from before a loss
    Index lost_entry = 0;          // it had confirmed up to here, and lost some of it; 0: never
    std::optional<Instant> contact{};
    std::optional<SnapshotSending> sending{}; // `snapshot`
    // The entry that removed it, while it is still to be told, and until when.
    Index removed_by = 0;
    Instant told_until{};

    [[nodiscard]] bool heard_since(Instant since) const { return contact && *contact >= since; }
    // What was acknowledged makes room for more.
    void acknowledge(Index index);
    void enter_probe(Index from);
    void enter_replicate(Index from);
    void enter_snapshot(std::uint64_t transfer);
};

} // namespace hawser::raft
