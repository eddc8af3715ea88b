// The core, stepped; see raft_node.h.
#include "server/raft_node.h"

#include <format>

#include "log/log.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds refusal_interval{10'000}; // between two lines of one sort

} // namespace

RaftNode::RaftNode(io::Executor executor, RestoredServer restored, RaftOptions options)
    : executor_(executor),
      options_(std::move(options)),
      storage_(std::move(restored.storage)),
      core_(std::move(restored.core)),
      registry_(std::move(restored.registry)),
      applied_(std::move(restored.applied)),
      stored_applied_(applied_.position.index),
      receiver_(std::make_shared<SnapshotReceiver>()),
      tick_(executor),
      retry_(executor),
      store_(executor),
      changed_(executor),
      log_thread_("hawser-log"),
      state_thread_("hawser-store") {
    callers_.installed(applied_.position);
    log_thread_.start();
    state_thread_.start();
}

RaftNode::~RaftNode() {
    alive_.reset();
    for (io::Loop* thread : {&log_thread_, &state_thread_}) thread->stop();
    for (io::Loop* thread : {&log_thread_, &state_thread_}) thread->join();
}

void RaftNode::launch() {
    step(raft::Tick{});
}

io::Task<Result<void>> RaftNode::ready(std::chrono::milliseconds timeout) {
    Result<void> reached = co_await read_barrier(timeout);
    if (reached || failure_) co_return reached;
    co_return fail(
        ErrorCode::deadline_exceeded,
        std::format("this server did not catch up with its cluster within {} ms: {}",
                    timeout.count(), trouble_.empty() ? reached.error().message : trouble_));
}

io::Task<Result<void>> RaftNode::start(std::chrono::milliseconds timeout) {
    launch();
    co_return co_await ready(timeout);
}

raft::Actions RaftNode::step_core(What what) {
    const auto now = Clock::now().time_since_epoch();
    return core_.step(
        {.now = std::chrono::duration_cast<raft::Instant>(now), .what = std::move(what)});
}

void RaftNode::step(What what) {
    carry_out(step_core(std::move(what)));
}

void RaftNode::receive(raft::Message message) {
    if (failure_) return;
    // As if lost on the way: the leader sends it again. Heartbeats are heard all the same.
    const auto* append = std::get_if<raft::AppendRequest>(&message.body);
    if (append != nullptr && !append->entries.empty() && storing_lags()) return;
    raft::Actions actions = step_core(raft::Received{std::move(message)});
    if (actions.refused) tell_refusal(*actions.refused);
    carry_out(std::move(actions));
}

// A peer may send nonsense as often as it likes. What says that confirmed entries are lost or are
// contradicted is told apart, so that no amount of the other can hide it.
void RaftNode::tell_refusal(const Error& why) {
    ++refused_messages_;
    const bool damage = why.code == ErrorCode::corrupt;
    if (damage) damage_ = why.message;
    std::optional<Clock::time_point>& told = damage ? told_damage_ : told_refusal_;
    const Clock::time_point now = Clock::now();
    if (told && now - *told < refusal_interval) return;
    told = now;
    if (damage) {
        log::error("a server lost what it had confirmed", {{"error", why}});
    } else {
        log::warn("refused a message of another server",
                  {{"error", why}, {"in_all", refused_messages_}});
    }
}

// In the order of the contract (raft/event.h).
void RaftNode::carry_out(raft::Actions actions) {
    if (actions.persist) writes_.push_back(std::move(*actions.persist));
    if (transport_ != nullptr) {
        for (raft::Message& message : actions.messages) transport_->send(std::move(message));
    }
    for (const raft::Entry& entry : actions.apply) {
        if (failure_) break;
        apply(entry);
    }
    if (actions.compact) cut_ = std::move(actions.compact);
    for (const raft::ServerId to : actions.close_snapshots) sendings_.close(to);
    for (const raft::ReadSnapshot& read : actions.read_snapshots) read_snapshot(read);
    if (actions.write_snapshot) write_snapshot(std::move(*actions.write_snapshot));
    for (const raft::ReadId read : actions.reads) {
        if (read == last_read_) end_read(true);
    }
    for (const raft::ReadId read : actions.reads_lost) {
        if (read == last_read_) end_read(false);
    }
    if (actions.role || actions.configuration) tell_change(actions);
    if (stopping_) changed_.notify_all();
    work();
    schedule_tick();
}

void RaftNode::tell_change(const raft::Actions& actions) {
    if (actions.role) {
        log::info("raft role", {{"role", raft::to_string(actions.role->role)},
                                {"term", actions.role->term},
                                {"leader", std::format("{:016x}", actions.role->leader)},
                                {"last_index", core_.last_index()}});
    }
    if (actions.configuration) {
        log::info("raft configuration", {{"voters", actions.configuration->voters.size()},
                                         {"learners", actions.configuration->learners.size()}});
    }
    changed_.notify_all();
    schedule_proposals(); // there may be somebody to take them now
    schedule_reads();
}

void RaftNode::apply(const raft::Entry& entry) {
    applied_.position = entry.position();
    Result<registry::Outcome> outcome;
    if (entry.kind == raft::EntryKind::configuration) {
        // The core checked it when it took it into its log.
        if (auto decoded = raft::decode_configuration(*entry.data); decoded)
            applied_.configuration = std::move(*decoded);
    } else if (entry.kind == raft::EntryKind::command) {
        Result<model::CommandEnvelope> envelope = model::decode_command(*entry.data);
        if (!envelope) {
            // Going on without it would make this server's registry another than the others'.
            end_writing(std::move(envelope.error())
                            .context(std::format("log entry {} cannot be applied", entry.index)));
            return;
        }
        outcome = registry_.apply(entry.index, *envelope);
    }
    if (outcome) {
        for (const model::Change& change : outcome->changes) unsaved_.put(change);
        if (on_applied_ && !outcome->changes.empty()) on_applied_(entry.index, outcome->changes);
    }
    callers_.applied(entry.position(), std::move(outcome));
    if (storing_lags() && !std::exchange(lag_told_, true))
        log::warn("the disk does not keep up: writes are refused", {{"rows", unsaved_.size()}});
}

// The timer is moved only to an earlier time: most steps put off what would have been due.
void RaftNode::schedule_tick() {
    const std::optional<raft::Instant> wake_at = core_.wake_at();
    if (!wake_at || failure_) return;
    const Clock::time_point due(*wake_at);
    if (due >= tick_at_) return;
    tick_at_ = due;
    tick_.expires_at(due);
    tick_.async_wait([this, alive = std::weak_ptr(alive_)](std::error_code error) {
        if (error || alive.expired()) return;
        tick_at_ = Clock::time_point::max();
        step(raft::Tick{});
    });
}

RaftStatus RaftNode::status() const {
    return {.id = core_.id(),
            .role = core_.role(),
            .term = core_.term(),
            .leader = core_.leader(),
            .first_index = core_.first_index(),
            .last_index = core_.last_index(),
            .commit_index = core_.commit_index(),
            .applied_index = applied_.position.index,
            .configuration = core_.configuration(),
            .peers = core_.peers(),
            .transferring_to = core_.transferring_to(),
            .refused_messages = refused_messages_,
            .damage = damage_,
            .trouble = failure_ ? failure_->message : why_not_writable()};
}

// --- membership and leadership -----------------------------------------------------------------

io::Task<Result<void>> RaftNode::change_membership(raft::ChangeMembership change,
                                                   std::chrono::milliseconds timeout) {
    if (Result<void> writable = check_writable(); !writable) co_return writable;
    raft::Actions actions = step_core(change);
    const std::optional<raft::Accepted> accepted = actions.accepted;
    const std::optional<Error> refused = actions.refused;
    const auto caller = std::make_shared<Caller>(executor_);
    if (accepted) callers_.accepted({{.command = nullptr, .caller = caller}}, *accepted);
    carry_out(std::move(actions));
    if (!accepted) {
        co_return fail(refused.value_or(
            Error{.code = ErrorCode::failed_precondition, .message = "the change was not taken"}));
    }
    co_await caller->wait_until(Clock::now() + timeout);
    if (!caller->fate()) {
        co_return fail(ErrorCode::deadline_exceeded,
                       "the change was not confirmed in time; it may still be carried out");
    }
    if (!caller->fate()->outcome) co_return fail(caller->fate()->outcome.error());
    co_return Result<void>();
}

io::Task<Result<void>> RaftNode::transfer_leadership(raft::ServerId to,
                                                     std::chrono::milliseconds timeout) {
    const Deadline deadline = Clock::now() + timeout;
    raft::Actions actions = step_core(raft::TransferLeadership{.to = to});
    const std::optional<Error> refused = actions.refused;
    carry_out(std::move(actions));
    if (refused) co_return fail(*refused);
    // The core gives up by itself; that nobody is transferred to any more shows at the next tick.
    while (leads() && core_.transferring_to() != raft::no_server && Clock::now() < deadline) {
        co_await changed_.wait_until(
            std::min(deadline, Clock::now() + std::chrono::milliseconds(50)));
    }
    if (!leads()) co_return Result<void>();
    co_return fail(ErrorCode::deadline_exceeded,
                   "no other server took over in time; this one still leads");
}

// So that the others need not find out by silence that this server stops.
io::Task<void> RaftNode::hand_over(Deadline deadline) {
    constexpr std::chrono::milliseconds patience{2'000};
    if (!leads() || alone() || failure_) co_return;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const Result<void> handed =
        co_await transfer_leadership(raft::no_server, std::min(patience, left));
    if (!handed) log::warn("leadership was not handed over", {{"error", handed.error()}});
}

io::Task<void> RaftNode::stop(std::chrono::milliseconds timeout) {
    const Deadline deadline = Clock::now() + timeout;
    stopping_ = true;
    co_await hand_over(deadline);
    work();
    while (!failure_ && trouble_.empty() && !callers_.idle()) {
        if (!co_await changed_.wait_until(deadline)) co_return;
    }
    // What others write meanwhile is not waited for: there may be no end of it.
    const raft::Index applied = applied_.position.index;
    while (!failure_ && trouble_.empty() && stored_applied_ < applied) {
        if (!co_await changed_.wait_until(deadline)) co_return;
    }
}

} // namespace hawser::server
