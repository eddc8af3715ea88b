// The disk side of the raft node: which job the worker gets next, and what its result means.
#include <format>

#include "log/log.h"
#include "server/raft_node.h"

namespace hawser::server {

namespace {

// Storing rows waits while the log has something to write, but not for ever: the log can only be
// cut where the rows are stored.
constexpr raft::Index most_unsaved_entries = 4096;

} // namespace

void RaftNode::work() {
    if (busy_ || failure_ || waiting_to_retry_) return;
    const bool state_waited_long = applied_ - stored_applied_ >= most_unsaved_entries;
    if (!writes_.empty() && !state_waited_long) return persist_log();
    if (state_is_behind()) return store_state();
    if (!writes_.empty()) return persist_log();
    const raft::Index trailing = core_.options().trailing_entries;
    if (core_.last_index() - core_.first_index() >= 2 * trailing) cut_log();
}

// The job touches the stores only; everything else it needs it carries.
void RaftNode::start_job(std::function<Result<void>()> job, void (RaftNode::*done)(Result<void>)) {
    busy_ = true;
    worker_.post(
        [this, alive = std::weak_ptr(alive_), executor = executor_, job = std::move(job), done] {
            auto result = std::make_shared<Result<void>>(job());
            asio::post(executor, [this, alive, done, result] {
                if (alive.expired()) return;
                busy_ = false;
                if (*result) disk_works();
                (this->*done)(std::move(*result));
            });
        });
}

void RaftNode::persist_log() {
    auto writes = std::make_shared<std::vector<raft::Persist>>(writes_.begin(), writes_.end());
    writes_under_way_ = writes->size();
    start_job([this, writes] { return storage_.log.persist(*writes); }, &RaftNode::log_persisted);
}

void RaftNode::log_persisted(Result<void> result) {
    if (!result) return disk_failed(std::move(result.error()), "writing the raft log");
    const std::uint64_t sequence = writes_[writes_under_way_ - 1].sequence;
    writes_.erase(writes_.begin(),
                  writes_.begin() + static_cast<std::ptrdiff_t>(writes_under_way_));
    step(raft::Persisted{.sequence = sequence});
    propose_queued();
}

void RaftNode::store_state() {
    auto state = std::make_shared<store::State>();
    state->applied = applied_;
    state->meta = registry_.meta();
    for (auto& [key, change] : unsaved_) state->rows.push_back(change);
    storing_applied_ = applied_;
    start_job([this, state] { return storage_.state.write(*state); }, &RaftNode::state_stored);
}

void RaftNode::state_stored(Result<void> result) {
    if (!result) return disk_failed(std::move(result.error()), "storing the registry");
    stored_applied_ = storing_applied_;
    // A row that changed again since is still unsaved.
    std::erase_if(unsaved_,
                  [this](const auto& row) { return row.second.index <= stored_applied_; });
    changed_.notify_all();
    work();
}

// The rows must survive a power cut before the entries that made them may go.
void RaftNode::cut_log() {
    const raft::Actions actions = core_.step({.now = {}, .what = raft::Compact{stored_applied_}});
    if (!actions.compact) return;
    start_job(
        [this, base = *actions.compact]() -> Result<void> {
            if (Result<void> synced = storage_.state.sync(); !synced) return synced;
            return storage_.log.compact(base);
        },
        &RaftNode::log_cut);
}

// Entries that could not be dropped cost space only, and go with the next cut.
void RaftNode::log_cut(Result<void> result) {
    if (!result) return disk_failed(std::move(result.error()), "cutting the raft log");
    log::debug("cut the raft log", {{"first_index", core_.first_index()}});
    work();
    propose_queued();
}

void RaftNode::disk_works() {
    if (trouble_.empty()) return;
    log::info("the disk has room again: writes are taken", {{"after", trouble_}});
    trouble_.clear();
}

void RaftNode::disk_failed(Error error, std::string_view step) {
    Error told = std::move(error).context(step);
    if (told.code != ErrorCode::resource_exhausted) return end_writing(std::move(told));
    if (trouble_.empty()) log::error("the disk is full: writes are refused", {{"error", told}});
    trouble_ = told.message;
    fail_callers(told);
    waiting_to_retry_ = true;
    retry_.expires_after(options_.retry_interval);
    retry_.async_wait([this, alive = std::weak_ptr(alive_)](std::error_code cancelled) {
        if (cancelled || alive.expired()) return;
        waiting_to_retry_ = false;
        work();
        if (!busy_) disk_works(); // nothing to write: the next proposal finds out
    });
}

void RaftNode::end_writing(Error error) {
    log::error("writing has ended; restart this server", {{"error", error}});
    failure_ = std::move(error);
    fail_callers(*failure_);
    changed_.notify_all();
}

} // namespace hawser::server
