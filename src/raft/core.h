// Consensus as a pure state machine: an event in, the actions it calls for out. No clock, no
// disk, no network, no threads; the driver (server/raft_node) has those, and a simulation can
// have fakes of them.
//
//   Actions actions = core.step({.now = now, .what = Propose{…}});
//   … carry the actions out in the order written on Actions, then step what came of them …
//
// A server that joins a cluster is restored from an empty disk with a new id: it knows nobody and
// waits for the leader that was told to add it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "raft/event.h"
#include "raft/log.h"
#include "raft/options.h"
#include "raft/types.h"

namespace hawser::raft {

// --- the core --------------------------------------------------------------------------------

// What the disk remembers.
struct Restored {
    ServerId id = no_server;
    HardState hard_state{};
    Base base{};
    std::vector<Entry> entries{}; // all after base
    Index applied = 0;            // the state machine's own storage holds everything up to here
    // What the state machine's storage was last installed from (WriteSnapshot), if ever. If the
    // server crashed before the log followed, the log follows now.
    std::optional<Base> snapshot{};
};

// What a leader knows of another server.
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
};

class Core {
  public:
    // Fails when what was restored contradicts itself: no server could have written it.
    static Result<Core> restore(Restored restored, Options options = {});

    [[nodiscard]] Actions step(Event event);

    // When to step the next Tick, unless another event comes first; none: time alone changes
    // nothing.
    [[nodiscard]] std::optional<Instant> wake_at() const;

    [[nodiscard]] ServerId id() const { return id_; }
    [[nodiscard]] Role role() const { return role_; }
    [[nodiscard]] Term term() const { return hard_state_.term; }
    [[nodiscard]] ServerId leader() const { return role_ == Role::leader ? id_ : no_server; }
    // Leadership is on its way to this server; no_server: it is not.
    [[nodiscard]] ServerId transferring_to() const { return no_server; }
    // As a leader sees the others, in the configuration's order; on other servers: nothing.
    [[nodiscard]] std::vector<PeerStatus> peers() const { return {}; }
    [[nodiscard]] Index last_index() const { return log_.last().index; }
    [[nodiscard]] Index first_index() const { return log_.first_index(); }
    [[nodiscard]] Index commit_index() const { return commit_; }
    // In force, committed or not (§4.1).
    [[nodiscard]] const Configuration& configuration() const { return log_.configuration(); }
    [[nodiscard]] const Options& options() const { return options_; }

  private:
    // A write that the driver has been asked for and has not yet reported.
    struct Outstanding {
        std::uint64_t sequence = 0;
        HardState hard_state;
        Position last;
    };

    Core(Restored restored, Log log, Options options);

    void on(const Tick& tick, Actions& actions);
    void on(Propose propose, Actions& actions);
    void on(const Persisted& persisted, Actions& actions);
    void on(const Received& received, Actions& actions);
    void on(const Compact& compact, Actions& actions);
    template <typename Unsupported>
    void on(const Unsupported& what, Actions& actions);

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
    Options options_;
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
