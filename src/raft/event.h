// What the driver tells the core, and what the core then asks of it.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/result.h"
#include "raft/message.h"
#include "raft/types.h"

namespace hawser::raft {

// Chosen by the driver, opaque here, unique while unanswered.
using ReadId = std::uint64_t;

// --- events ----------------------------------------------------------------------------------

// Nothing but time passed. The first one sets a restored core going.
struct Tick {};

// Commands for the state machine: accepted or refused as a whole. Those that came together share
// one write to disk. Only a leader accepts.
struct Propose {
    std::vector<Payload> commands;
};
// The write with this number, and all before it, would survive a crash now.
struct Persisted {
    std::uint64_t sequence = 0;
};
// From another server. Whatever it says, the worst answer to it is to be refused.
struct Received {
    Message message;
};
// The state machine's own storage durably holds everything up to `index`: the log may forget it,
// but for what those who are a little behind will want (Options::trailing_entries).
struct Compact {
    Index index = 0;
};
// One change at a time (§4.1), by the leader, once an entry of its term is committed. Accepted:
// done when that entry comes back in `apply`. A server joins as a learner, which receives the log
// but has no vote; it is refused promotion while it is behind (PeerStatus::caught_up).
struct ChangeMembership {
    enum class Kind : std::uint8_t { add_learner, promote, remove };
    Kind kind = Kind::add_learner;
    ServerId server = no_server;
};
// To this voter; no_server: to the one that is most up to date. Until that server leads or time is
// up (the longest election timeout) proposals are refused.
struct TransferLeadership {
    ServerId to = no_server;
};
// A linearizable read wants to know when it may look at the state machine. Answered in
// Actions::reads or reads_lost, on leaders and on followers.
struct Read {
    ReadId id = 0;
};
// Answers ReadSnapshot. The snapshot's index is at most what was given to the state machine and at
// least where the log begins, and stays the same through all its pieces.
struct SnapshotRead {
    ServerId to = no_server; // as in ReadSnapshot
    Index snapshot = 0;      // the state machine as of this entry
    std::uint64_t offset = 0;
    Payload data; // not empty unless `last`; null: it could not be read
    bool last = false;
};
// Answers WriteSnapshot: the piece is kept or, if it was the last one, the whole snapshot was
// checked and has durably taken the place of the state machine's storage.
struct SnapshotWritten {
    Position snapshot{};
    std::uint64_t offset = 0; // as in WriteSnapshot
    bool failed = false;      // nothing of the snapshot is kept; the storage is as it was
};

struct Event {
    Instant now{}; // never goes back
    std::variant<Tick, Propose, Persisted, Received, Compact, ChangeMembership, TransferLeadership,
                 Read, SnapshotRead, SnapshotWritten>
        what;
};

// --- actions ---------------------------------------------------------------------------------

// One transaction. First `reset`: the stored log is dropped and begins anew after this base. Then
// `entries`: if they begin at or before the end of the stored log, they replace what is stored
// from there on.
struct Persist {
    std::uint64_t sequence = 0; // ascending; answered by Persisted
    HardState hard_state{};     // as of this write
    std::optional<Base> reset{};
    std::vector<Entry> entries{};
};

struct RoleChange {
    Role role = Role::follower;
    Term term = 0;
    ServerId leader = no_server; // none known: no_server
};

// The entries that the event made have the places first_index, first_index + 1, … of this term.
// Each is committed when an entry with that index and this term comes back in `apply`; if one of a
// different term does, or a snapshot took its place, it was lost or its fate cannot be told.
struct Accepted {
    Index first_index = 0;
    Term term = 0;
};

// A peer needs the state machine's snapshot. `snapshot` zero: begin a new one for this peer (one
// may serve several), as fresh as is cheap; else read on in the one that SnapshotRead named.
struct ReadSnapshot {
    ServerId to = no_server;
    Index snapshot = 0;
    std::uint64_t offset = 0;
    std::size_t bytes = 0; // the most to be read
};

// Keep this piece of a snapshot beside the state machine's storage. Offset zero begins anew: what
// was kept of another goes. The base goes into the storage too, for Restored::snapshot. The last
// piece installs the snapshot; until SnapshotWritten answers it, nothing comes to be applied.
struct WriteSnapshot {
    Base base{};
    std::uint64_t offset = 0;
    Payload data;
    bool last = false;
};

// What an event calls for. The contract between the core and its driver:
//  1. `persist` goes to disk before the core is told so with Persisted. Writes are made in the
//     order of their sequence; several may share one transaction and one fsync. If a write fails,
//     nothing later may be written before it: repeat it, or stop.
//  2. `messages` may be sent at once, also before `persist` is on disk: what promises durability
//     (a vote, an acknowledgement) is only handed out after the Persisted that made it true. They
//     may also be dropped.
//  3. `apply` goes to the state machine in order, each entry once. Applying must be repeatable:
//     after a restart, entries after Restored::applied come again. Every entry in it is on this
//     server's disk, so the state machine's storage never gets ahead of the log.
//  4. `reads` may be answered from the state machine once `apply` went to it.
//  5. `compact` may be carried out whenever it suits; forgetting it costs only space. It must not
//     undo a later `reset`.
struct Actions {
    std::optional<Persist> persist;
    std::vector<Message> messages;
    std::vector<Entry> apply; // committed, in order, without gaps
    std::vector<ReadId> reads;
    std::vector<ReadId> reads_lost;             // no longer known whom to ask: try again
    std::optional<RoleChange> role;             // also when only the leader or the term is another
    std::optional<Configuration> configuration; // another one is in force, committed or not
    std::optional<Accepted> accepted;           // answers a Propose or ChangeMembership
    std::optional<Error> refused;               // the event was not taken; nothing changed
    std::optional<Base> compact;                // the stored log may drop everything up to here

    std::vector<ReadSnapshot> read_snapshots;
    std::vector<ServerId> close_snapshots; // begun for these; no longer needed
    std::optional<WriteSnapshot> write_snapshot;
};

} // namespace hawser::raft
