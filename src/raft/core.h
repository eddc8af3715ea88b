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
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "raft/event.h"
#include "raft/log.h"
#include "raft/options.h"
#include "raft/progress.h"
#include "raft/roles.h"
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
    // Known to this server; no_server: none.
    [[nodiscard]] ServerId leader() const;
    // Leadership is on its way to this server; no_server: it is not.
    [[nodiscard]] ServerId transferring_to() const;
    // As a leader sees the others, ascending; on other servers: nothing.
    [[nodiscard]] std::vector<PeerStatus> peers() const;
    [[nodiscard]] Position last() const { return log_.last(); }
    [[nodiscard]] Index last_index() const { return log_.last().index; }
    [[nodiscard]] Index first_index() const { return log_.first_index(); }
    [[nodiscard]] std::uint64_t log_bytes() const {
        return log_.bytes_after(log_.base().position.index);
    }
    [[nodiscard]] Index commit_index() const { return commit_; }
    // In force, committed or not (§4.1).
    [[nodiscard]] const Configuration& configuration() const { return log_.configuration(); }
    [[nodiscard]] const Options& options() const { return options_; }

  private:
    Core(Restored restored, Log log, Options options);

    void on(const Tick& tick);
    void on(Propose propose);
    void on(const Persisted& persisted);
    void on(Received received);
    void on(const Compact& compact);
    void on(const ChangeMembership& change);
    void on(const TransferLeadership& transfer);
    void on(const Read& read);
    void on(const SnapshotRead& read);
    void on(const SnapshotWritten& written);

    void on(ServerId from, const PreVoteRequest& request);
    void on(ServerId from, const PreVoteReply& reply);
    void on(ServerId from, const VoteRequest& request);
    void on(ServerId from, const VoteReply& reply);
    void on(ServerId from, AppendRequest request);
    void on(ServerId from, const AppendReply& reply);
    void on(ServerId from, const SnapshotRequest& request);
    void on(ServerId from, const SnapshotReply& reply);
    void on(ServerId from, const TimeoutNow& now);
    void on(ServerId from, const ReadRequest& request);
    void on(ServerId from, const ReadReply& reply);

    // core.cpp: what every event shares
    void finish_step();
    void hand_out_applicable();
    void report_changes();
    void refuse(ErrorCode code, std::string message);

    // dispatch.cpp: whom to listen to
    [[nodiscard]] bool take_term(const Message& message);
    void answer_stale(const Message& message);
    void send(ServerId to, MessageBody body);
    [[nodiscard]] bool hears_leader() const;

    // disk.cpp: the log and the writes that make it durable
    Persist& persist();
    void write(std::vector<Entry> entries);
    void write_reset(Base base);
    [[nodiscard]] bool hard_state_is_durable() const { return durable_hard_state_ == hard_state_; }
    [[nodiscard]] bool disk_is_stuck() const;

    // election.cpp
    void arm_election_timer();
    void hold_election();
    [[nodiscard]] bool may_campaign() const;
    void campaign(bool transfer);
    void request_votes();
    void count_votes();
    void settle_vote();
    [[nodiscard]] bool is_up_to_date(const Position& last) const;
    void become_follower(Term term, ServerId leader);

    // follower.cpp
    [[nodiscard]] bool follow(ServerId leader);
    void heed_commit(Index commit);
    void reply_append(std::optional<AppendRejection> rejection = {});
    void acknowledge();
    [[nodiscard]] bool cut_committed(AppendRequest& request);
    [[nodiscard]] Index durable_match() const;

    // leader.cpp
    void become_leader();
    void lead();
    [[nodiscard]] bool step_down_if_alone();
    [[nodiscard]] bool has_room_for(const std::vector<Payload>& commands); // or refuses
    void append(EntryKind kind, Payload data);
    void advance_commit();
    [[nodiscard]] bool term_is_committed() const;

    // replication.cpp
    void begin_round();
    void send_append(ServerId to, Progress& peer, std::vector<Entry> entries);
    void send_entries(ServerId to, Progress& peer);
    void send_probe(ServerId to, Progress& peer);
    void replicate();
    void heed(ServerId from, Progress& peer, const AppendReply& reply);
    [[nodiscard]] bool has_lost(const Progress& peer, const AppendReply& reply) const;
    void start_over(ServerId from, Progress& peer, const AppendRejection& rejection);
    [[nodiscard]] Index after_hint(const AppendRejection& rejection) const;
    void rewind(ServerId from, Progress& peer, const AppendRejection& rejection);
    [[nodiscard]] Progress* peer(ServerId server);

    // membership.cpp
    [[nodiscard]] Result<Configuration> changed(const ChangeMembership& change) const;
    [[nodiscard]] Result<void> check_majority_alive(const Configuration& configuration) const;
    void track_peers();
    void forget_told_peers();
    [[nodiscard]] bool caught_up(const Progress& peer) const;

    // transfer.cpp
    void hand_over(ServerId to);
    void tend_transfer();
    void press_transfer();
    [[nodiscard]] ServerId best_successor() const;

    // snapshot_sending.cpp
    void begin_snapshot(ServerId to, Progress& peer);
    void end_snapshot(ServerId to, Progress& peer);
    void read_piece(ServerId to, Progress& peer);
    void retry_snapshots();

    // snapshot_receiving.cpp
    void install(const Base& base);
    void reply_snapshot();

    // reads.cpp
    void take_read(LeaderRead read);
    void confirm_reads();
    void ask_leader();
    void lose_reads();
    void hand_out_reads();

    ServerId id_;
    Options options_;
    Random random_;
    Instant now_{};
    Log log_;
    HardState hard_state_;
    Role role_ = Role::follower;
    Index commit_ = 0;  // known to be committed
    Index applied_ = 0; // handed out in Actions::apply

    Instant election_deadline_{};
    bool started_ = false; // the election timer has been set for the first time
    Following following_;
    Campaign campaign_;
    Leadership leading_;
    std::optional<SnapshotReceiving> receiving_;
    std::deque<AnsweredRead> answered_reads_;
    std::uint64_t last_token_;

    std::uint64_t last_sequence_ = 0;
    std::deque<Outstanding> outstanding_;
    HardState durable_hard_state_;
    Index durable_ = 0;         // up to here the log in memory is on disk
    bool reset_is_due_ = false; // the stored log is not yet that which the snapshot calls for
    bool vote_is_due_ = false;  // to be told once it is durable

    RoleChange reported_;
    Configuration reported_configuration_;
    Actions actions_; // of the event being handled
};

} // namespace hawser::raft
