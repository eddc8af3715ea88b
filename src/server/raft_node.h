// Drives the raft core: carries its actions out in the order it asks for, and turns a committed
// entry into a changed registry and a resumed caller.
//
//   propose → core → one write and one fsync for all that waited → core → registry → callers
//
// Threading: lives on one loop. Disk work runs on a thread of its own, one job at a time; its
// results come back to the loop. While one write is on its way to the disk, proposals gather and
// share the next.
//
// When the disk fails: a full one refuses writes, keeps answering reads, and is tried again until
// it has room; anything else ends writing for good (what the disk holds is then unknown, only a
// restart can tell), which failure() reports.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
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
#include "server/storage.h"

namespace hawser::server {

struct RaftOptions {
    std::size_t proposals_in_flight = limits::proposals_in_flight;
    // How long a full disk is left alone before the next try.
    std::chrono::milliseconds retry_interval{1000};
};

struct RaftStatus {
    raft::Role role = raft::Role::follower;
    raft::Term term = 0;
    raft::Index first_index = 0;
    raft::Index last_index = 0;
    raft::Index applied_index = 0;
    std::string trouble; // why writes are refused; empty: they are not
};

class RaftNode {
  public:
    // What entry `index` of the log changed. Called before the proposer resumes.
    using AppliedHandler =
        std::function<void(std::uint64_t index, const std::vector<model::Change>& changes)>;

    RaftNode(io::Executor executor, RestoredServer restored, RaftOptions options = {});
    ~RaftNode(); // waits for the disk work under way
    RaftNode(const RaftNode&) = delete;
    RaftNode& operator=(const RaftNode&) = delete;

    void on_applied(AppliedHandler handler) { on_applied_ = std::move(handler); }

    // Elects, and returns when everything committed before is applied again.
    [[nodiscard]] io::Task<Result<void>> start(std::chrono::milliseconds timeout);

    // Returns when the command is committed and applied, with what it did. A refusal by the
    // registry costs no write when it can be foreseen. After a deadline_exceeded or cancelled the
    // command may still be carried out.
    [[nodiscard]] io::Task<Result<registry::Outcome>> propose(model::CommandEnvelope envelope);

    // Refuses new proposals, then waits (bounded) until everything applied is stored.
    [[nodiscard]] io::Task<void> stop(std::chrono::milliseconds timeout);

    [[nodiscard]] const registry::Registry& registry() const { return registry_; }
    [[nodiscard]] RaftStatus status() const;
    [[nodiscard]] const std::string& data_dir() const { return storage_.directory.path(); }
    // Set once writing has ended for good.
    [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
    // Notified when failure() or the role changes, and when the state is stored.
    [[nodiscard]] Broadcast& changed() { return changed_; }

  private:
    struct Caller; // a waiting propose()
    using CallerPtr = std::shared_ptr<Caller>;
    struct Queued {
        raft::Payload command;
        CallerPtr caller;
    };

    // raft_node.cpp: the core and the callers
    [[nodiscard]] Result<void> check_writable() const;
    [[nodiscard]] bool nothing_under_way() const { return queue_.empty() && awaited_.empty(); }
    void step(decltype(raft::Event::what) what);
    void carry_out(raft::Actions actions);
    void expect(const raft::Actions& actions, std::deque<Queued> batch);
    void propose_queued();
    void apply(const raft::Entry& entry);
    void resume(const raft::Entry& entry, Result<registry::Outcome> outcome);
    void fail_callers(const Error& error);
    void schedule_tick();

    // raft_storage.cpp: the disk
    void work();
    void start_job(std::function<Result<void>()> job, void (RaftNode::*done)(Result<void>));
    void persist_log();
    void log_persisted(Result<void> result);
    void store_state();
    void state_stored(Result<void> result);
    void cut_log();
    void log_cut(Result<void> result);
    void disk_works();
    void disk_failed(Error error, std::string_view step);
    void end_writing(Error error);
    [[nodiscard]] bool state_is_behind() const { return applied_ > stored_applied_; }

    io::Executor executor_;
    RaftOptions options_;
    Storage storage_; // touched by the worker's jobs only, once constructed
    raft::Core core_;
    registry::Registry registry_;
    raft::Index applied_ = 0;
    AppliedHandler on_applied_;

    std::deque<Queued> queue_;                 // not yet given to the core
    std::map<raft::Index, CallerPtr> awaited_; // by the entry that answers them
    std::deque<raft::Persist> writes_;         // asked for by the core, oldest first
    std::size_t writes_under_way_ = 0;         // of them, with the worker
    std::map<std::pair<model::Kind, std::string>, model::Change> unsaved_; // not yet stored rows
    raft::Index stored_applied_ = 0;                                       // of the state store
    raft::Index storing_applied_ = 0;                                      // by the job under way
    bool busy_ = false;                                                    // the worker has a job
    bool stopping_ = false;
    bool waiting_to_retry_ = false;
    std::string trouble_; // a disk that is full, for now
    std::optional<Error> failure_;

    io::Timer tick_, retry_;
    Broadcast changed_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    io::Loop worker_; // last: its thread ends first
};

} // namespace hawser::server
