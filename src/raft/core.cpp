// The dispatcher: which event goes where, and what every event shares; see core.h.
#include "raft/core.h"

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
    if (log.configuration().voters.size() > 1) {
        return fail(ErrorCode::unimplemented,
                    std::format("the log names {} voters; this version runs one",
                                log.configuration().voters.size()));
    }
    return {};
}

} // namespace

Result<Core> Core::restore(Restored restored, Options options) {
    if (Result<void> checked = check_options(options); !checked) {
        return fail(std::move(checked.error()));
    }
    Result<Log> log = Log::restore(std::move(restored.base), std::exchange(restored.entries, {}));
    if (!log) return fail(std::move(log.error()));
    if (Result<void> checked = check_restored(restored, *log); !checked) {
        return fail(std::move(checked.error()));
    }
    return Core(std::move(restored), std::move(*log), options);
}

// What the state machine holds was committed; of the entries after it that is not yet known again.
Core::Core(Restored restored, Log log, Options options)
    : id_(restored.id),
      options_(options),
      log_(std::move(log)),
      hard_state_(restored.hard_state),
      commit_(restored.applied),
      durable_hard_state_(restored.hard_state),
      durable_last_(log_.last()) {}

Actions Core::step(Event event) {
    Actions actions;
    std::visit([&](auto&& what) { on(std::forward<decltype(what)>(what), actions); },
               std::move(event.what));
    if (actions.persist) {
        actions.persist->hard_state = hard_state_;
        outstanding_.push_back(
            {.sequence = last_sequence_, .hard_state = hard_state_, .last = log_.last()});
    }
    return actions;
}

std::optional<Instant> Core::wake_at() const {
    if (role_ == Role::follower && log_.configuration().only_voter(id_)) return Instant::zero();
    return std::nullopt;
}

// Nobody else can be leader, so there is nobody to wait for.
void Core::on(const Tick&, Actions& actions) {
    if (role_ == Role::follower && log_.configuration().only_voter(id_)) campaign(actions);
}

void Core::on(const Persisted& persisted, Actions& actions) {
    HAWSER_CHECK(persisted.sequence <= last_sequence_);
    while (!outstanding_.empty() && outstanding_.front().sequence <= persisted.sequence) {
        durable_hard_state_ = outstanding_.front().hard_state;
        durable_last_ = outstanding_.front().last;
        outstanding_.pop_front();
    }
    if (role_ == Role::candidate) count_votes(actions);
    if (role_ == Role::leader) advance_commit(actions);
}

void Core::on(const Received& received, Actions& actions) {
    const Message& message = received.message;
    if (Result<void> checked = check_message(message, id_); !checked) {
        actions.refused = std::move(checked.error());
    } else if (!log_.configuration().votes(message.from)) {
        actions.refused =
            Error{.code = ErrorCode::permission_denied,
                  .message = std::format("server {:016x} is not of this cluster", message.from)};
    }
}

void Core::on(const Compact& compact, Actions& actions) {
    HAWSER_CHECK(compact.index <= commit_);
    if (compact.index < log_.first_index() + options_.trailing_entries) return;
    log_.compact(compact.index - options_.trailing_entries);
    actions.compact = log_.base();
}

template <typename Unsupported>
void Core::on(const Unsupported& /*what*/, Actions& actions) {
    actions.refused =
        Error{.code = ErrorCode::unimplemented, .message = "this cluster has one server"};
}

Persist& Core::persist_of(Actions& actions) {
    if (!actions.persist) actions.persist.emplace().sequence = ++last_sequence_;
    return *actions.persist;
}

void Core::change_role(Role role, Actions& actions) {
    role_ = role;
    actions.role = RoleChange{.role = role_, .term = hard_state_.term, .leader = leader()};
}

} // namespace hawser::raft
