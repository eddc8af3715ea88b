// The disk side of the raft node: which job each thread gets next, and what its result means.
#include <algorithm>
#include <format>

#include "log/log.h"
#include "server/raft_node.h"

namespace hawser::server {

namespace {

// Rows that wait to be stored are memory, and entries to be applied again after a crash.
constexpr std::size_t most_unsaved_rows = 32 << 10;

} // namespace

// The job touches the stores only; everything else it needs it carries.
void RaftNode::run_on(io::Loop& thread, Job job, std::function<void(Result<void>)> done) {
    thread.post([alive = std::weak_ptr(alive_), executor = executor_, job = std::move(job),
                 done = std::move(done)] {
        auto result = std::make_shared<Result<void>>(job());
        asio::post(executor, [alive, done, result] {
            if (!alive.expired()) done(std::move(*result));
        });
    });
}

void RaftNode::work() {
    if (failure_ || waiting_to_retry_) return;
    if (!log_busy_) {
        if (writing_ || !writes_.empty()) {
            write_log();
        } else if (cut_) {
            cut_log();
        }
    }
    if (state_busy_ || installing_) return;
    if (!state_is_behind()) {
        if (cut_is_due()) sync_state();
    } else if (stopping_ || unsaved_.size() >= most_unsaved_rows) {
        store_state();
    } else {
        plan_storing();
    }
}

// The log is long, and it or the rows got further since it was last looked at: it may have to stay
// long while somebody receives a snapshot.
bool RaftNode::cut_is_due() const {
    const raft::Options& options = core_.options();
    const raft::Index trailing = options.trailing_entries;
    const bool many = core_.last_index() - core_.first_index() >= 2 * trailing &&
                      stored_applied_ > synced_applied_ + trailing / 2;
    const bool large = core_.log_bytes() >= std::max(2 * options.trailing_bytes,
                                                     bytes_left_ + options.trailing_bytes / 2) &&
                       stored_applied_ > synced_applied_;
    return many || large;
}

void RaftNode::plan_storing() {
    if (std::exchange(store_planned_, true)) return;
    store_.expires_after(options_.store_after);
    store_.async_wait([this, alive = std::weak_ptr(alive_)](std::error_code cancelled) {
        if (cancelled || alive.expired()) return;
        store_planned_ = false;
        if (!state_busy_ && !installing_ && !waiting_to_retry_ && !failure_ && state_is_behind())
            store_state();
    });
}

// --- the log -----------------------------------------------------------------------------------

// Everything asked for so far, in one transaction. After a failure the same again, before anything
// later.
void RaftNode::write_log() {
    if (!writing_) {
        writing_ = std::make_shared<std::vector<raft::Persist>>(
            std::make_move_iterator(writes_.begin()), std::make_move_iterator(writes_.end()));
        writes_.clear();
    }
    log_busy_ = true;
    run_on(
        log_thread_, [this, writes = writing_] { return storage_.log.persist(*writes); },
        [this](Result<void> result) { log_written(std::move(result)); });
}

void RaftNode::log_written(Result<void> result) {
    log_busy_ = false;
    if (!result) return disk_failed(std::move(result.error()), "writing the raft log");
    disk_works();
    const std::uint64_t sequence = std::exchange(writing_, nullptr)->back().sequence;
    step(raft::Persisted{.sequence = sequence});
    propose_queued();
}

// Entries that could not be dropped cost space only, and go with the next cut.
void RaftNode::cut_log() {
    log_busy_ = true;
    run_on(
        log_thread_,
        [this, base = *std::exchange(cut_, std::nullopt)] { return storage_.log.compact(base); },
        [this](Result<void> result) {
            log_busy_ = false;
            if (!result) return disk_failed(std::move(result.error()), "cutting the raft log");
            log::debug("cut the raft log", {{"first_index", core_.first_index()}});
            work();
            propose_queued();
        });
}

// --- the registry's rows -----------------------------------------------------------------------

void RaftNode::store_state() {
    auto state = std::make_shared<store::State>();
    state->applied = applied_.position.index;
    state->meta = registry_.meta();
    state->rows = unsaved_.take();
    storing_rows_ = state->rows.size();
    state_busy_ = true;
    run_on(
        state_thread_, [this, state] { return storage_.state.write(*state); },
        [this, state](Result<void> result) { state_stored(*state, std::move(result)); });
}

void RaftNode::state_stored(store::State& state, Result<void> result) {
    state_busy_ = false;
    storing_rows_ = 0;
    if (!result) {
        unsaved_.put_back(state.rows);
        return disk_failed(std::move(result.error()), "storing the registry");
    }
    disk_works();
    stored_applied_ = std::max(stored_applied_, state.applied);
    if (!storing_lags() && std::exchange(lag_told_, false))
        log::info("the disk keeps up again: writes are taken", {});
    changed_.notify_all();
    work();
}

// The rows must survive a power cut before the entries that made them may go.
void RaftNode::sync_state() {
    state_busy_ = true;
    run_on(
        state_thread_, [this] { return storage_.state.sync(); },
        [this, stored = stored_applied_](Result<void> result) {
            state_busy_ = false;
            if (!result) return disk_failed(std::move(result.error()), "storing the registry");
            synced_applied_ = stored;
            raft::Actions actions = step_core(raft::Compact{.index = stored});
            bytes_left_ = core_.log_bytes(); // before carrying out looks whether to cut again
            carry_out(std::move(actions));
        });
}

// --- failures ----------------------------------------------------------------------------------

void RaftNode::disk_works() {
    if (trouble_.empty()) return;
    log::info("the disk has room again: writes are taken", {{"after", trouble_}});
    trouble_.clear();
}

std::string RaftNode::why_not_writable() const {
    if (!trouble_.empty() || !storing_lags()) return trouble_;
    return std::format("{} changes wait to be stored: the disk does not keep up; try again later",
                       unsaved_.size() + storing_rows_);
}

void RaftNode::disk_failed(Error error, std::string_view step_name) {
    Error told = std::move(error).context(step_name);
    if (told.code != ErrorCode::resource_exhausted) return end_writing(std::move(told));
    if (trouble_.empty()) log::error("the disk is full: writes are refused", {{"error", told}});
    trouble_ = told.message;
    callers_.give_up_queued(told);
    waiting_to_retry_ = true;
    // Somebody else may have room.
    if (leads() && !alone()) step(raft::TransferLeadership{});
    retry_.expires_after(options_.retry_interval);
    retry_.async_wait([this, alive = std::weak_ptr(alive_)](std::error_code cancelled) {
        if (cancelled || alive.expired()) return;
        waiting_to_retry_ = false;
        work();
        if (!log_busy_ && !state_busy_) disk_works(); // nothing to write: the next proposal tells
    });
}

void RaftNode::end_writing(Error error) {
    if (failure_) return;
    log::error("writing has ended; restart this server", {{"error", error}});
    failure_ = std::move(error);
    callers_.give_up(*failure_);
    fail_reads();
    changed_.notify_all();
}

} // namespace hawser::server
