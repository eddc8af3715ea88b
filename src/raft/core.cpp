// From a restored disk to a core, and what all events have in common; see core.h.
#include "raft/core.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/check.h"

namespace hawser::raft {

namespace {

Result<void> check_restored(const Restored& restored, const Log& log) {
    if (restored.id == no_server) return fail(ErrorCode::corrupt, "the stored server id is zero");
    if (restored.hard_state.term < log.last().term) {
        return fail(ErrorCode::corrupt,
                    std::format("the stored term {} is older than that of entry {}, {}",
                                restored.hard_state.term, log.last().index, log.last().term));
    }
    if (restored.applied > log.last().index) {
        return fail(ErrorCode::corrupt,
                    std::format("the registry holds entry {}, but the log ends with entry {}",
                                restored.applied, log.last().index));
    }
    if (restored.applied < log.base().position.index) {
        return fail(
            ErrorCode::corrupt,
            std::format("the registry ends with entry {}, but the log begins after entry {}",
                        restored.applied, log.base().position.index));
    }
    return {};
}

// A snapshot was installed, and the server crashed before the log was made to begin after it.
bool log_lacks_snapshot(const Restored& restored, const Log& log) {
    return restored.snapshot && restored.snapshot->position.index > log.base().position.index &&
           !log.holds(restored.snapshot->position);
}

} // namespace

Result<Core> Core::restore(Restored restored, Options options) {
    if (Result<void> checked = check_options(options); !checked) {
        return fail(std::move(checked.error()));
    }
    Result<Log> log = Log::restore(std::move(restored.base), std::exchange(restored.entries, {}));
    if (!log) return fail(std::move(log.error()));
    const bool reset = log_lacks_snapshot(restored, *log);
    if (reset) {
        log->reset(*restored.snapshot);
        // The term was known when the snapshot was received; that much of the log never got there.
        const Term term = restored.snapshot->position.term;
        if (restored.hard_state.term < term) restored.hard_state = {.term = term};
    }
    if (Result<void> checked = check_restored(restored, *log); !checked) {
        return fail(std::move(checked.error()));
    }
    Core core(std::move(restored), std::move(*log), options);
    core.reset_is_due_ = reset;
    if (reset) core.durable_ = 0;
    return core;
}

// What the state machine holds was committed; of the entries after it that is not yet known again.
Core::Core(Restored restored, Log log, Options options)
    : id_(restored.id),
      options_(options),
      random_(options.seed),
      log_(std::move(log)),
      hard_state_(restored.hard_state),
      commit_(restored.applied),
      applied_(restored.applied),
      following_{.matched = restored.applied},
      last_token_(random_.next()),
      durable_hard_state_(restored.hard_state),
      durable_(log_.last().index),
      reported_{.term = hard_state_.term},
      reported_configuration_(log_.configuration()) {}

Actions Core::step(Event event) {
    now_ = std::max(now_, event.now);
    if (!std::exchange(started_, true)) arm_election_timer();
    if (std::exchange(reset_is_due_, false)) persist().reset = log_.base();
    std::visit([this](auto&& what) { on(std::forward<decltype(what)>(what)); },
               std::move(event.what));
    finish_step();
    return std::exchange(actions_, {});
}

void Core::finish_step() {
    hand_out_applicable();
    hand_out_reads();
    report_changes();
    if (!actions_.persist) return;
    Persist& persist = *actions_.persist;
    persist.hard_state = hard_state_;
    const Index changed = persist.entries.empty() ? 0 : persist.entries.front().index;
    outstanding_.push_back({.sequence = persist.sequence,
                            .hard_state = hard_state_,
                            .first = persist.reset ? 1 : changed,
                            .last = log_.last().index,
                            .since = now_});
}

// Not before the entry is on this disk too: the state machine's storage must not get ahead of the
// log, or a restart would find entries applied that the log never had.
void Core::hand_out_applicable() {
    const Index end = std::min(commit_, durable_);
    if (end <= applied_ || (receiving_ && receiving_->installing)) return;
    actions_.apply = log_.range(applied_ + 1, end);
    applied_ = end;
}

void Core::report_changes() {
    if (role_ != reported_.role || hard_state_.term != reported_.term ||
        leader() != reported_.leader) {
        reported_ = {.role = role_, .term = hard_state_.term, .leader = leader()};
        actions_.role = reported_;
    }
    if (log_.configuration() != reported_configuration_) {
        reported_configuration_ = log_.configuration();
        actions_.configuration = reported_configuration_;
    }
}

void Core::refuse(ErrorCode code, std::string message) {
    actions_.refused = Error{.code = code, .message = std::move(message)};
}

ServerId Core::leader() const {
    return role_ == Role::leader ? id_ : following_.leader;
}

// A sole voter has nobody to wait for: it elects itself at once, and needs no heartbeats.
std::optional<Instant> Core::wake_at() const {
    if (!started_ && may_campaign()) return Instant::zero();
    if (role_ == Role::leader) {
        if (leading_.peers.empty()) return std::nullopt;
        return leading_.next_heartbeat;
    }
    std::optional<Instant> wake;
    if (log_.configuration().only_voter(id_)) {
        if (role_ == Role::follower) wake = Instant::zero();
    } else if (may_campaign()) {
        wake = election_deadline_;
    }
    if (following_.question) {
        const Instant overdue = following_.question->since + options_.election_max;
        wake = std::min(wake.value_or(overdue), overdue);
    }
    return wake;
}

void Core::on(const Tick& /*tick*/) {
    if (role_ == Role::leader) {
        lead();
        return;
    }
    if (following_.question && now_ >= following_.question->since + options_.election_max) {
        lose_reads();
    }
    const bool alone = log_.configuration().only_voter(id_) && role_ == Role::follower;
    if (alone || now_ >= election_deadline_) hold_election();
}

} // namespace hawser::raft
