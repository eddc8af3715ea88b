// The core and the callers; see raft_node.h.
#include "server/raft_node.h"

#include <format>

#include "base/limits.h"
#include "log/log.h"

namespace hawser::server {

namespace {

// What one write to disk takes: enough for every proposal in flight, small enough to stay quick.
constexpr std::size_t batch_entries = 1024;
constexpr std::size_t batch_bytes = 4 << 20;

} // namespace

struct RaftNode::Caller {
    explicit Caller(io::Executor executor) : answered(executor) {}
    raft::Term term = 0; // of the entry that answers
    std::optional<Result<registry::Outcome>> answer;
    Broadcast answered;

    void give(Result<registry::Outcome> outcome) {
        answer = std::move(outcome);
        answered.notify_all();
    }
};

RaftNode::RaftNode(io::Executor executor, RestoredServer restored, RaftOptions options)
    : executor_(executor),
      options_(options),
      storage_(std::move(restored.storage)),
      core_(std::move(restored.core)),
      registry_(std::move(restored.registry)),
      applied_(restored.applied),
      stored_applied_(restored.applied),
      tick_(executor),
      retry_(executor),
      changed_(executor),
      worker_("hawser-store") {
    worker_.start();
}

RaftNode::~RaftNode() {
    alive_.reset();
    worker_.stop();
    worker_.join();
}

io::Task<Result<void>> RaftNode::start(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    schedule_tick();
    // Its own no-op is the last of what it must apply.
    while (core_.role() != raft::Role::leader || applied_ < core_.last_index()) {
        if (failure_) co_return fail(*failure_);
        if (!co_await changed_.wait_until(deadline)) {
            co_return fail(ErrorCode::deadline_exceeded,
                           std::format("this server did not become leader within {} ms{}",
                                       timeout.count(), trouble_.empty() ? "" : ": " + trouble_));
        }
    }
    co_return Result<void>();
}

Result<void> RaftNode::check_writable() const {
    if (failure_) return fail(ErrorCode::unavailable, failure_->message);
    if (stopping_) return fail(ErrorCode::unavailable, "this server is stopping");
    if (!trouble_.empty()) return fail(ErrorCode::resource_exhausted, trouble_);
    if (queue_.size() + awaited_.size() >= options_.proposals_in_flight) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("{} writes are waiting already; try again later",
                                options_.proposals_in_flight));
    }
    return {};
}

io::Task<Result<registry::Outcome>> RaftNode::propose(model::CommandEnvelope envelope) {
    if (Result<void> writable = check_writable(); !writable) {
        co_return fail(std::move(writable.error()));
    }
    Result<registry::Outcome> foreseen = registry_.check(envelope);
    if (!foreseen) co_return foreseen;
    // Nothing to write. With other writes under way this one may mean something after them.
    if (foreseen->changes.empty() && nothing_under_way()) co_return foreseen;
    std::string bytes = model::encode(envelope);
    if (bytes.size() > limits::rpc_message_bytes) {
        co_return fail(ErrorCode::invalid, std::format("the command has {} bytes, the most is {}",
                                                       bytes.size(), limits::rpc_message_bytes));
    }
    const auto caller = std::make_shared<Caller>(executor_);
    queue_.push_back({.command = raft::make_payload(std::move(bytes)), .caller = caller});
    propose_queued();
    if (!caller->answer) {
        (void)co_await caller->answered.wait_until(std::chrono::steady_clock::now() +
                                                   limits::rpc_timeout);
    }
    if (caller->answer) co_return std::move(*caller->answer);
    co_return fail(ErrorCode::deadline_exceeded,
                   "the write was not confirmed in time; it may still be carried out");
}

// One write at a time is on its way to the disk; what comes meanwhile waits here for the next.
void RaftNode::propose_queued() {
    if (!writes_.empty() || queue_.empty()) return;
    std::deque<Queued> batch;
    raft::Propose propose;
    std::size_t bytes = 0;
    while (!queue_.empty() && batch.size() < batch_entries && bytes < batch_bytes) {
        bytes += queue_.front().command->size();
        propose.commands.push_back(queue_.front().command);
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    raft::Actions actions = core_.step(
        {.now = std::chrono::duration_cast<raft::Instant>(now), .what = std::move(propose)});
    expect(actions, std::move(batch));
    carry_out(std::move(actions));
}

void RaftNode::expect(const raft::Actions& actions, std::deque<Queued> batch) {
    raft::Index index = actions.accepted ? actions.accepted->first_index : 0;
    for (Queued& queued : batch) {
        if (actions.accepted) {
            queued.caller->term = actions.accepted->term;
            awaited_[index++] = std::move(queued.caller);
        } else {
            queued.caller->give(fail(actions.refused.value_or(
                Error{.code = ErrorCode::unavailable, .message = "the proposal was not taken"})));
        }
    }
}

void RaftNode::step(decltype(raft::Event::what) what) {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    carry_out(core_.step(
        {.now = std::chrono::duration_cast<raft::Instant>(now), .what = std::move(what)}));
}

void RaftNode::carry_out(raft::Actions actions) {
    if (actions.persist) writes_.push_back(std::move(*actions.persist));
    if (actions.role) {
        log::info("raft role", {{"role", to_string(actions.role->role)},
                                {"term", actions.role->term},
                                {"last_index", core_.last_index()}});
    }
    for (const raft::Entry& entry : actions.apply) {
        if (failure_) break;
        apply(entry);
    }
    if (actions.role || !actions.apply.empty()) changed_.notify_all();
    work();
    schedule_tick();
}

void RaftNode::apply(const raft::Entry& entry) {
    applied_ = entry.index;
    if (entry.kind != raft::EntryKind::command) return;
    Result<model::CommandEnvelope> envelope = model::decode_command(*entry.data);
    if (!envelope) {
        // Going on without it would make this server's registry another than the others'.
        end_writing(std::move(envelope.error())
                        .context(std::format("log entry {} cannot be applied", entry.index)));
        return;
    }
    Result<registry::Outcome> outcome = registry_.apply(entry.index, *envelope);
    if (outcome) {
        for (const model::Change& change : outcome->changes) {
            unsaved_[{change.kind, change.key}] = change;
        }
        if (on_applied_ && !outcome->changes.empty()) on_applied_(entry.index, outcome->changes);
    }
    resume(entry, std::move(outcome));
}

void RaftNode::resume(const raft::Entry& entry, Result<registry::Outcome> outcome) {
    const auto found = awaited_.find(entry.index);
    if (found == awaited_.end()) return;
    const CallerPtr caller = std::move(found->second);
    awaited_.erase(found);
    if (caller->term != entry.term) {
        outcome = fail(ErrorCode::aborted, "another leader's write took this one's place");
    }
    caller->give(std::move(outcome));
}

void RaftNode::fail_callers(const Error& error) {
    for (const Queued& queued : std::exchange(queue_, {})) queued.caller->give(fail(error));
    if (!failure_) return;
    for (const auto& [index, caller] : std::exchange(awaited_, {})) caller->give(fail(error));
}

void RaftNode::schedule_tick() {
    const std::optional<raft::Instant> wake_at = core_.wake_at();
    if (!wake_at || failure_) return;
    tick_.expires_at(std::chrono::steady_clock::time_point(*wake_at));
    tick_.async_wait([this, alive = std::weak_ptr(alive_)](std::error_code error) {
        if (!error && !alive.expired()) step(raft::Tick{});
    });
}

RaftStatus RaftNode::status() const {
    return {.role = core_.role(),
            .term = core_.term(),
            .first_index = core_.first_index(),
            .last_index = core_.last_index(),
            .applied_index = applied_,
            .trouble = failure_ ? failure_->message : trouble_};
}

io::Task<void> RaftNode::stop(std::chrono::milliseconds timeout) {
    stopping_ = true;
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    work();
    while (!failure_ && trouble_.empty() && (busy_ || !nothing_under_way() || state_is_behind())) {
        if (!co_await changed_.wait_until(deadline)) break;
    }
}

} // namespace hawser::server
