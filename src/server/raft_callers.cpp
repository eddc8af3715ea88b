#include "server/raft_callers.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/limits.h"

namespace hawser::server {

namespace {

// The answer of a leader takes a round trip; this many entries do not pass in it.
constexpr std::size_t most_recent = 2 * limits::proposals_in_flight;

Fate lost(std::string why) {
    return {.kind = Fate::Kind::lost, .outcome = fail(ErrorCode::aborted, std::move(why))};
}

Fate unknown() {
    return {.kind = Fate::Kind::unknown,
            .outcome = fail(ErrorCode::unknown,
                            "the write may have been carried out: its place in the log was passed "
                            "over; look before trying again")};
}

} // namespace

void Caller::give(Fate fate) {
    if (fate_) return;
    fate_ = std::move(fate);
    given_.notify_all();
}

io::Task<void> Caller::wait_until(std::chrono::steady_clock::time_point deadline) {
    if (!fate_) (void)co_await given_.wait_until(deadline);
}

void Callers::queue(raft::Payload command, CallerPtr caller) {
    queued_bytes_ += command->size();
    queue_.push_back({.command = std::move(command), .caller = std::move(caller)});
}

Callers::Batch Callers::take(std::size_t most, std::size_t most_bytes) {
    Batch batch;
    std::size_t bytes = 0;
    while (!queue_.empty() && batch.size() < most) {
        Queued& next = queue_.front();
        const std::size_t size = next.command->size();
        if (!next.caller->gone) {
            if (!batch.empty() && bytes + size > most_bytes) break;
            bytes += size;
            next.caller->proposed = true;
            batch.push_back(std::move(next));
        }
        queue_.pop_front();
        queued_bytes_ -= size;
    }
    return batch;
}

void Callers::tell(const Batch& batch, Fate::Kind kind, const Error& error) {
    for (const Queued& queued : batch) {
        queued.caller->give({.kind = kind, .outcome = fail(error)});
    }
}

void Callers::accepted(Batch batch, const raft::Accepted& places) {
    raft::Position place{.index = places.first_index, .term = places.term};
    for (Queued& queued : batch) {
        if (place.index > last_applied_.index && place.term >= last_applied_.term) {
            awaited_[place] = std::move(queued.caller);
        } else if (const Applied* applied = find_recent(place.index); applied == nullptr) {
            queued.caller->give(place.term < last_applied_.term && place.index > last_applied_.index
                                    ? lost("a later leader's writes took its place")
                                    : unknown());
        } else if (applied->entry == place) {
            queued.caller->give({.kind = Fate::Kind::carried_out, .outcome = applied->outcome});
        } else {
            queued.caller->give(lost("another leader's write took its place"));
        }
        ++place.index;
    }
}

const Callers::Applied* Callers::find_recent(raft::Index index) const {
    const auto found = std::ranges::lower_bound(
        recent_, index, {}, [](const Applied& applied) { return applied.entry.index; });
    return found == recent_.end() || found->entry.index != index ? nullptr : &*found;
}

void Callers::end_forwarding() {
    if (--forwarding_ == 0) recent_.clear();
}

void Callers::applied(const raft::Position& entry, Result<registry::Outcome> outcome) {
    if (entry.term > last_applied_.term) lose_older_than(entry.term);
    last_applied_ = entry;
    bool awaited = false;
    while (!awaited_.empty() && awaited_.begin()->first.index <= entry.index) {
        const auto [place, caller] = *awaited_.begin();
        awaited_.erase(awaited_.begin());
        if (place == entry) {
            awaited = true;
            caller->give({.kind = Fate::Kind::carried_out, .outcome = std::move(outcome)});
        } else {
            caller->give(lost("another leader's write took its place"));
        }
    }
    if (forwarding_ == 0 || awaited) return;
    recent_.push_back({.entry = entry, .outcome = std::move(outcome)});
    if (recent_.size() > most_recent) recent_.pop_front();
}

void Callers::lose_older_than(raft::Term term) {
    std::erase_if(awaited_, [term](const auto& waiting) {
        const auto& [place, caller] = waiting;
        if (place.term >= term) return false;
        caller->give(lost("a later leader's writes took its place"));
        return true;
    });
}

void Callers::installed(const raft::Position& last) {
    recent_.clear();
    while (!awaited_.empty() && awaited_.begin()->first.index <= last.index) {
        const CallerPtr caller = std::move(awaited_.begin()->second);
        awaited_.erase(awaited_.begin());
        caller->give(unknown());
    }
    lose_older_than(last.term);
    last_applied_ = last;
}

void Callers::give_up_queued(const Error& error) {
    queued_bytes_ = 0;
    for (const Queued& queued : std::exchange(queue_, {})) {
        queued.caller->give({.kind = Fate::Kind::lost, .outcome = fail(error)});
    }
}

void Callers::give_up(const Error& error) {
    give_up_queued(error);
    const Error told{.code = ErrorCode::unknown,
                     .message = "the write may have been carried out: " + error.message};
    for (const auto& [place, caller] : std::exchange(awaited_, {})) {
        caller->give({.kind = Fate::Kind::unknown, .outcome = fail(told)});
    }
}

} // namespace hawser::server
