// What a leader does by itself: begins its term, takes proposals, decides what is committed, and
// gives up when nobody answers (§3.5, §3.6, §6.2).
#include <algorithm>
#include <format>
#include <utility>

#include "base/check.h"
#include "raft/core.h"
#include "raft/majority.h"

namespace hawser::raft {

// §6.4: a new leader does not know which entries of earlier terms are committed until one of its
// own is; the no-op makes that happen at once.
void Core::become_leader() {
    role_ = Role::leader;
    campaign_ = {};
    following_ = {};
    leading_ = {.since = now_, .next_heartbeat = now_ + options_.heartbeat};
    track_peers();
    append(EntryKind::noop, make_payload({}));
    for (auto& [id, peer] : leading_.peers) send_probe(id, peer);
}

// Time passed.
void Core::lead() {
    if (now_ < leading_.next_heartbeat) return;
    leading_.next_heartbeat = now_ + options_.heartbeat;
    if (step_down_if_alone()) return;
    tend_transfer();
    if (now_ - leading_.marked >= options_.election_min) {
        leading_.caught_up_from = std::exchange(leading_.mark, log_.last().index);
        leading_.marked = now_;
    }
    forget_told_peers();
    retry_snapshots();
    begin_round();
}

// §6.2: "a leader in Raft steps down if an election timeout elapses without a successful round of
// heartbeats to a majority of its cluster; this allows clients to retry with another server".
bool Core::step_down_if_alone() {
    const Instant heard = reached_by_majority(log_.configuration(), [this](ServerId voter) {
        return voter == id_ ? now_ : peer(voter)->contact.value_or(leading_.since);
    });
    if (now_ - heard <= options_.election_max) return false;
    become_follower(hard_state_.term, no_server);
    return true;
}

void Core::on(Propose propose) {
    if (role_ != Role::leader) {
        refuse(ErrorCode::unavailable,
               leader() == no_server
                   ? "this server is not the leader; none is known"
                   : std::format("this server is not the leader; {:016x} is", leader()));
        return;
    }
    if (leading_.transfer) {
        refuse(ErrorCode::unavailable, "leadership is being handed to another server");
        return;
    }
    if (propose.commands.empty()) return;
    if (!has_room_for(propose.commands)) return;
    const Position last = log_.last();
    actions_.accepted = Accepted{.first_index = last.index + 1, .term = hard_state_.term};
    std::vector<Entry> entries;
    entries.reserve(propose.commands.size());
    for (Payload& command : propose.commands) {
        entries.push_back({.index = last.index + 1 + entries.size(),
                           .term = hard_state_.term,
                           .kind = EntryKind::command,
                           .data = std::move(command)});
    }
    write(std::move(entries));
    replicate();
}

bool Core::has_room_for(const std::vector<Payload>& commands) {
    const Index settled = std::min(commit_, durable_);
    const Index waiting = log_.last().index - settled;
    const std::uint64_t waiting_bytes = log_.bytes_after(settled);
    std::uint64_t bytes = waiting_bytes;
    for (const Payload& command : commands) {
        HAWSER_CHECK(command != nullptr);
        bytes += command->size();
    }
    if (waiting + commands.size() <= options_.uncommitted_entries &&
        (waiting_bytes == 0 || bytes <= options_.uncommitted_bytes)) {
        return true;
    }
    refuse(ErrorCode::resource_exhausted,
           std::format("{} entries of {} bytes wait for the disks of a majority and of this server",
                       waiting, waiting_bytes));
    return false;
}

void Core::append(EntryKind kind, Payload data) {
    write({{.index = log_.last().index + 1,
            .term = hard_state_.term,
            .kind = kind,
            .data = std::move(data)}});
}

// An entry is committed when a majority has it on disk and it is of the leader's own term; all
// before it are committed with it. An older entry alone may not be counted (§3.6.2, figure 3.7).
void Core::advance_commit() {
    const Index index = reached_by_majority(log_.configuration(), [this](ServerId voter) {
        return voter == id_ ? durable_ : peer(voter)->match;
    });
    if (index <= commit_ || log_.term_at(index) != hard_state_.term) return;
    commit_ = index;
    confirm_reads();
    for (auto& [id, peer] : leading_.peers) {
        if (peer.state == Progress::State::replicate) send_append(id, peer, {});
    }
    // §4.2.2: a leader that was removed stays until the entry that removes it is committed.
    if (commit_ < log_.configuration_index() || log_.configuration().votes(id_)) return;
    if (const ServerId successor = best_successor(); successor != no_server) {
        send(successor, TimeoutNow{});
    }
    become_follower(hard_state_.term, no_server);
}

bool Core::term_is_committed() const {
    return log_.term_at(commit_) == hard_state_.term;
}

} // namespace hawser::raft
