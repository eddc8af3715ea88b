// Consensus as a pure state machine: an event in, the actions it calls for out. No clock, no
// disk, no network, no threads; the driver (server/raft_node) has those, and a simulation can
// have fakes of them.
//
//   Actions actions = core.step({.now = now, .what = Propose{…}});
//   … carry the actions out in the order written on Actions, then step what came of them …
//
// Today a cluster has one voter. It still elects itself, still keeps its term and its vote, and
// still commits nothing that is not on disk; only the conversation with other voters is absent.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "raft/log.h"
#include "raft/types.h"

namespace hawser::raft {

// --- events ----------------------------------------------------------------------------------

// Nothing but time passed. The first one sets a restored core going.
struct Tick {};

// Commands for the state machine: accepted or refused as a whole. Those that came together share
// one write to disk.
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
// The state machine's own storage durably holds everything up to `index`: the log may forget it.
struct Compact {
    Index index = 0;
};

struct Event {
    Instant now{};
    std::variant<Tick, Propose, Persisted, Received, Compact> what;
};

// --- actions ---------------------------------------------------------------------------------

// One transaction. If `entries` begin at or before the end of the stored log, they replace what is
// stored from there on.
struct Persist {
    std::uint64_t sequence = 0; // ascending; answered by Persisted
    HardState hard_state{};     // as of this write
    std::vector<Entry> entries{};
};

enum class Role : std::uint8_t { follower, candidate, leader };

struct RoleChange {
    Role role = Role::follower;
    Term term = 0;
    ServerId leader = no_server; // none known: no_server
};

// The commands of one Propose have the places first_index, first_index + 1, … of this term. Each
// is committed when an entry with that index and this term comes back in `apply`; if one of a
// different term does, it was lost.
struct Accepted {
    Index first_index = 0;
    Term term = 0;
};

// What an event calls for. The contract between the core and its driver:
//  1. `persist` goes to disk before the core is told so with Persisted. Writes are made in the
//     order of their sequence; several may share one transaction and one fsync. If a write fails,
//     nothing later may be written before it: repeat it, or stop.
//  2. `messages` may be sent at once, also before `persist` is on disk: what promises durability
//     (a vote, an acknowledgement) is only handed out after the Persisted that made it true.
//  3. `apply` goes to the state machine in order, each entry once. Applying must be repeatable:
//     after a restart, entries after Restored::applied come again.
//  4. `compact` may be carried out whenever it suits; forgetting it costs only space.
struct Actions {
    std::optional<Persist> persist;
    std::vector<Message> messages;
    std::vector<Entry> apply; // committed, in order, without gaps
    std::optional<RoleChange> role;
    std::optional<Accepted> accepted; // answers a Propose
    std::optional<Error> refused;     // answers a Propose or Received that was not taken
    std::optional<Base> compact;      // the stored log may drop everything up to here
};

// --- the core --------------------------------------------------------------------------------

// What the disk remembers.
struct Restored {
    ServerId id = no_server;
    HardState hard_state{};
    Base base{};
    std::vector<Entry> entries{}; // all after base
    Index applied = 0;            // the state machine's own storage holds everything up to here
};

class Core {
  public:
    // Fails when what was restored contradicts itself: no server could have written it.
    static Result<Core> restore(Restored restored);

    [[nodiscard]] Actions step(Event event);

    // When to step the next Tick; none: time alone changes nothing.
    [[nodiscard]] std::optional<Instant> wake_at() const;

    [[nodiscard]] ServerId id() const { return id_; }
    [[nodiscard]] Role role() const { return role_; }
    [[nodiscard]] Term term() const { return hard_state_.term; }
    [[nodiscard]] ServerId leader() const { return role_ == Role::leader ? id_ : no_server; }
    [[nodiscard]] Index last_index() const { return log_.last().index; }
    [[nodiscard]] Index first_index() const { return log_.first_index(); }
    [[nodiscard]] Index commit_index() const { return commit_; }
    [[nodiscard]] const Configuration& configuration() const { return log_.configuration(); }

  private:
    // A write that the driver has been asked for and has not yet reported.
    struct Outstanding {
        std::uint64_t sequence = 0;
        HardState hard_state;
        Position last;
    };

    Core(Restored restored, Log log);

    void on(const Tick& tick, Actions& actions);
    void on(Propose propose, Actions& actions);
    void on(const Persisted& persisted, Actions& actions);
    void on(const Received& received, Actions& actions);
    void on(const Compact& compact, Actions& actions);

    // election.cpp
    void campaign(Actions& actions);
    void count_votes(Actions& actions);
    void become_leader(Actions& actions);

    // leader.cpp
    void append(EntryKind kind, Payload data, Actions& actions);
    void advance_commit(Actions& actions);

    // The write of this step, begun when first needed.
    Persist& persist_of(Actions& actions);
    void change_role(Role role, Actions& actions);

    ServerId id_;
    Log log_;
    HardState hard_state_;
    Role role_ = Role::follower;
    Index commit_ = 0; // everything up to here has been handed out in Actions::apply

    std::uint64_t last_sequence_ = 0;
    std::deque<Outstanding> outstanding_;
    HardState durable_hard_state_;
    Position durable_last_;
};

} // namespace hawser::raft
