// Drives the raft core: carries its actions out in the order it asks for, and turns a committed
// entry into a changed registry and a resumed caller.
//
//   propose → core → one write and one fsync for all that waited ┐
//                  → the other servers, at the same time ────────┴→ core → registry → callers
//
// On a server that does not lead, proposals go to the leader, and their callers resume when this
// server's own registry has them: whoever wrote through a server reads there what he wrote.
//
// Threading: lives on one loop. The log's writes and those of the registry's rows have a thread
// each, one job at a time; results come back to the loop. While one write of the log is on its way
// to the disk, proposals gather and share the next.
//
// When the disk fails: a full one refuses writes, keeps answering reads, and is tried again until
// it has room (and somebody else leads meanwhile, if there is anybody); anything else ends writing
// for good (what the disk holds is then unknown, only a restart can tell), which failure() reports.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "io/loop.h"
#include "model/command.h"
#include "registry/registry.h"
#include "server/broadcast.h"
#include "server/peer_transport.h"
#include "server/raft_callers.h"
#include "server/raft_snapshots.h"
#include "server/storage.h"
#include "server/unsaved_rows.h"

namespace hawser::server {

class AuditTrail;

struct RaftOptions {
    std::size_t proposals_in_flight = limits::proposals_in_flight;
    std::size_t queued_bytes = 64 << 20; // of them, what waits for the leader or the disk
    // How long a full disk is left alone before the next try.
    std::chrono::milliseconds retry_interval{1000};
    // The registry's rows are stored so long after they changed: they may change again meanwhile.
    std::chrono::milliseconds store_after{1'000};
    // Changed rows that wait for a disk that is slow. With more nothing is taken: no writes, and no
    // entries from a leader, who sends them again. Their values are the registry's own, so that
    // this is some 20 MB at most.
    std::size_t unsaved_rows = 128 << 10;
    std::string version; // of this program, for snapshots
};

struct RaftStatus {
    raft::ServerId id = raft::no_server;
    raft::Role role = raft::Role::follower;
    raft::Term term = 0;
    raft::ServerId leader = raft::no_server; // none known: no_server
    raft::Index first_index = 0;
    raft::Index last_index = 0;
    raft::Index commit_index = 0;
    raft::Index applied_index = 0;
    raft::Configuration configuration;
    std::vector<raft::PeerStatus> peers; // as a leader sees them
    raft::ServerId transferring_to = raft::no_server;
    std::uint64_t refused_messages = 0; // that no correct server would have sent
    std::string damage;  // what was refused last because it contradicts what was confirmed
    std::string trouble; // why writes are refused; empty: they are not
};

// Less than clients wait for an answer (limits::rpc_timeout): they hear what became of a write.
inline constexpr std::chrono::milliseconds write_patience{10'000};

class RaftNode {
  public:
    using Clock = std::chrono::steady_clock;
    // What entry `index` of the log changed. Called before the proposer resumes.
    using AppliedHandler =
        std::function<void(std::uint64_t index, const std::vector<model::Change>& changes)>;
    // Another server's state took the registry's place: nothing is known of what changed.
    using InstalledHandler = std::function<void()>;

    RaftNode(io::Executor executor, RestoredServer restored, RaftOptions options = {});
    ~RaftNode(); // waits for the disk work under way
    RaftNode(const RaftNode&) = delete;
    RaftNode& operator=(const RaftNode&) = delete;

    void on_applied(AppliedHandler handler) { on_applied_ = std::move(handler); }
    void on_installed(InstalledHandler handler) { on_installed_ = std::move(handler); }
    // Carries messages to the others; without it there are none. Outlives this.
    void set_transport(PeerTransport& transport) { transport_ = &transport; }

    // Where commands are recorded before they are proposed; without it none are. Outlives this.
    void set_audit(AuditTrail& audit) { audit_ = &audit; }

    // Takes part from now on.
    void launch();
    // Returns when this server is as far as the cluster was when it was asked. Without a majority
    // it fails in time, though the server takes part all the same.
    [[nodiscard]] io::Task<Result<void>> ready(std::chrono::milliseconds timeout);
    [[nodiscard]] io::Task<Result<void>> start(std::chrono::milliseconds timeout);

    // Returns when the command is committed and applied here, with what it did. What would change
    // nothing, or be refused, costs no write. The errors of writes that may have been carried out,
    // or may still be, are `unknown` and `deadline_exceeded` (and being cancelled); after any other
    // it was not and will not be.
    [[nodiscard]] io::Task<Result<registry::Outcome>> propose(
        model::CommandEnvelope envelope, std::chrono::milliseconds timeout = write_patience);

    // What only the leader may say, and only as long as it leads: proposed once, here or nowhere.
    [[nodiscard]] io::Task<Result<registry::Outcome>> propose_as_leader(
        model::CommandEnvelope envelope, std::chrono::milliseconds timeout = write_patience);

    // Once it returned, the registry has everything that was committed before it was called.
    [[nodiscard]] io::Task<Result<void>> read_barrier(
        std::chrono::milliseconds timeout = limits::rpc_timeout);

    // How old what the registry shows may be: since it had everything that was committed, as far as
    // this server was told. Empty: it was told nothing since it started.
    [[nodiscard]] std::optional<std::chrono::milliseconds> staleness() const;

    // The leader's business. Returns when the change is committed and in force here.
    [[nodiscard]] io::Task<Result<void>> change_membership(raft::ChangeMembership change,
                                                           std::chrono::milliseconds timeout);
    // To no_server: to whoever is most up to date. Returns when this server leads no more.
    [[nodiscard]] io::Task<Result<void>> transfer_leadership(raft::ServerId to,
                                                             std::chrono::milliseconds timeout);

    // From other servers: a message, and commands for the leader, accepted as a whole or not.
    void receive(raft::Message message);
    [[nodiscard]] Result<raft::Accepted> accept(std::vector<raft::Payload> commands);

    // Hands leadership over, refuses new proposals, then waits (bounded) until everything applied
    // is stored.
    [[nodiscard]] io::Task<void> stop(std::chrono::milliseconds timeout);

    [[nodiscard]] const registry::Registry& registry() const { return registry_; }
    [[nodiscard]] RaftStatus status() const;
    [[nodiscard]] raft::ServerId id() const { return core_.id(); }
    // Nobody else has a vote.
    [[nodiscard]] bool alone() const { return core_.configuration().only_voter(core_.id()); }
    [[nodiscard]] bool leads() const { return core_.role() == raft::Role::leader; }
    [[nodiscard]] const std::string& data_dir() const { return storage_.directory.path(); }
    // Set once writing has ended for good.
    [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
    // Notified when failure(), the role, the leader or the configuration change, and when the state
    // is stored.
    [[nodiscard]] Broadcast& changed() { return changed_; }

  private:
    using What = decltype(raft::Event::what);
    using Deadline = Clock::time_point;

    // raft_node.cpp: the core
    [[nodiscard]] raft::Actions step_core(What what);
    void step(What what);
    void tell_refusal(const Error& why);
    void carry_out(raft::Actions actions);
    void apply(const raft::Entry& entry);
    void tell_change(const raft::Actions& actions);
    void schedule_tick();
    [[nodiscard]] io::Task<void> hand_over(Deadline deadline);

    // raft_proposals.cpp: the callers
    [[nodiscard]] Result<void> check_writable() const;
    [[nodiscard]] io::Task<std::optional<Result<registry::Outcome>>> foresee(
        const model::CommandEnvelope& envelope, Deadline deadline);
    [[nodiscard]] Result<raft::Payload> encode_command(
        const model::CommandEnvelope& envelope) const;
    [[nodiscard]] io::Task<Result<registry::Outcome>> propose_encoded(raft::Payload command,
                                                                      Deadline deadline);
    [[nodiscard]] io::Task<Result<registry::Outcome>> propose_once(raft::Payload command,
                                                                   Deadline deadline);
    // Done between the record of what is to be done and that of what became of it.
    using Doing = io::Task<Result<registry::Outcome>> (RaftNode::*)(raft::Payload, Deadline);
    [[nodiscard]] io::Task<Result<registry::Outcome>> recorded(
        const model::CommandEnvelope& envelope, Doing doing, Deadline deadline);
    void schedule_proposals();
    void propose_queued();
    void propose_here();
    void forward_queued();
    void forwarded(Callers::Batch batch, raft::Position to, PeerTransport::Answer answer);
    struct Forward;
    static io::Task<void> forward(Forward forward);

    // raft_reads.cpp: reads that must see what was committed before them
    struct Reader;
    [[nodiscard]] io::Task<Result<void>> read_barrier_until(Deadline deadline);
    [[nodiscard]] std::string why_not_current() const;
    void schedule_reads();
    void begin_read();
    void end_read(bool confirmed);
    void fail_reads();

    // raft_storage.cpp: the disk
    using Job = std::function<Result<void>()>;
    void run_on(io::Loop& thread, Job job, std::function<void(Result<void>)> done);
    void work();
    [[nodiscard]] bool cut_is_due() const;
    void plan_storing();
    void write_log();
    void log_written(Result<void> result);
    void cut_log();
    void store_state();
    void state_stored(store::State& state, Result<void> result);
    void sync_state();
    void disk_works();
    void disk_failed(Error error, std::string_view step);
    void end_writing(Error error);
    [[nodiscard]] bool state_is_behind() const { return applied_.position.index > stored_applied_; }
    [[nodiscard]] bool storing_lags() const {
        return unsaved_.size() + storing_rows_ >= options_.unsaved_rows;
    }
    [[nodiscard]] std::string why_not_writable() const; // empty: it is

    // raft_snapshot.cpp: the registry as a whole, from and to other servers
    void read_snapshot(const raft::ReadSnapshot& read);
    void write_snapshot(raft::WriteSnapshot write);
    void snapshot_written(const raft::WriteSnapshot& piece, std::optional<registry::Registry> whole,
                          Result<void> result);

    io::Executor executor_;
    RaftOptions options_;
    Storage storage_; // touched by the threads' jobs only, once constructed
    raft::Core core_;
    registry::Registry registry_;
    raft::Base applied_; // what the registry is as of
    AppliedHandler on_applied_;
    InstalledHandler on_installed_;
    PeerTransport* transport_ = nullptr;
    AuditTrail* audit_ = nullptr;

    Callers callers_;
    bool proposals_scheduled_ = false;
    raft::Position forwarding_to_{}; // leader and term; none: not forwarding

    std::vector<std::shared_ptr<Reader>> readers_; // gathered for the next read
    std::vector<std::shared_ptr<Reader>> reading_; // who share the one under way
    raft::ReadId last_read_ = 0;
    Clock::time_point read_began_{};                // the one under way
    std::optional<Clock::time_point> confirmed_at_; // everything committed by then is here
    bool reads_scheduled_ = false;

    std::deque<raft::Persist> writes_;                    // asked for by the core, oldest first
    std::shared_ptr<std::vector<raft::Persist>> writing_; // of them, with the log's thread
    std::optional<raft::Base> cut_;                       // what the log may be cut to
    UnsavedRows unsaved_;
    std::size_t storing_rows_ = 0; // with the rows' thread
    bool lag_told_ = false;
    raft::Index stored_applied_ = 0;             // of the state store
    raft::Index synced_applied_ = 0;             // after a power cut too
    std::uint64_t bytes_left_ = 0;               // by the last cut
    bool log_busy_ = false, state_busy_ = false; // a job is under way
    bool store_planned_ = false;
    bool stopping_ = false;
    bool waiting_to_retry_ = false;
    std::string trouble_; // a disk that is full, for now
    std::optional<Error> failure_;
    std::uint64_t refused_messages_ = 0;
    std::string damage_;
    std::optional<Clock::time_point> told_refusal_, told_damage_;

    SnapshotSendings sendings_;
    std::shared_ptr<SnapshotReceiver> receiver_; // touched by the jobs of the rows' thread only
    bool installing_ = false;

    io::Timer tick_, retry_, store_;
    Clock::time_point tick_at_ = Clock::time_point::max();
    Broadcast changed_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    io::Loop log_thread_, state_thread_; // last: they end first
};

} // namespace hawser::server
