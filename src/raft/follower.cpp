// What a follower does with its leader's log (§3.5).
#include <algorithm>
#include <format>
#include <utility>

#include "raft/core.h"

namespace hawser::raft {

namespace {

// Appends whose writes the disk has not confirmed: a leader sends no more than it may have in
// flight, but leaders change.
constexpr std::size_t most_writes_under_way = 1024;

} // namespace

// Only the leader of this term sends what is handled here.
bool Core::follow(ServerId leader) {
    const bool other = following_.leader != no_server && following_.leader != leader;
    if (role_ == Role::leader || other) {
        refuse(ErrorCode::failed_precondition,
               std::format("server {:016x} claims to lead term {}, of which {:016x} is leader",
                           leader, hard_state_.term, this->leader()));
        return false;
    }
    if (following_.leader == no_server) become_follower(hard_state_.term, leader);
    following_.heard = now_;
    arm_election_timer();
    return true;
}

void Core::on(ServerId from, AppendRequest request) {
    if (!follow(from)) return;
    const bool new_round = request.round > following_.round;
    following_.round = std::max(following_.round, request.round);
    if (!cut_committed(request)) return;
    if (!log_.holds(request.previous)) {
        reply_append(AppendRejection{.index = request.previous.index,
                                     .hint = log_.last_before(request.previous)});
        return;
    }
    const Index end = request.previous.index + request.entries.size();
    // What is there already stays, or a late message would undo newer ones (§3.5).
    const auto news = std::ranges::find_if(
        request.entries, [this](const Entry& entry) { return !log_.holds(entry.position()); });
    if (news != request.entries.end() && news->index <= following_.matched) {
        refuse(ErrorCode::corrupt, std::format("the leader of term {} contradicts its own entry {}",
                                               hard_state_.term, news->index));
        return;
    }
    if (news != request.entries.end() && outstanding_.size() >= most_writes_under_way) {
        refuse(ErrorCode::resource_exhausted, "the disk cannot keep up with the leader");
        return;
    }
    write({std::make_move_iterator(news), std::make_move_iterator(request.entries.end())});
    following_.matched = std::max(following_.matched, end);
    heed_commit(request.commit);
    new_round ? reply_append() : acknowledge();
}

// What is committed here is the leader's too, and perhaps no longer held. Takes it out of the
// request; false: the leader contradicts it.
bool Core::cut_committed(AppendRequest& request) {
    if (request.previous.index >= commit_) return true;
    const auto committed = static_cast<std::ptrdiff_t>(
        std::min<Index>(request.entries.size(), commit_ - request.previous.index));
    const auto end = request.entries.begin() + committed;
    const bool contradicts = std::any_of(request.entries.begin(), end, [this](const Entry& entry) {
        return entry.index >= log_.first_index() && !log_.holds(entry.position());
    });
    if (contradicts) {
        refuse(ErrorCode::corrupt,
               std::format("the leader of term {} contradicts entries that are committed, up to {}",
                           hard_state_.term, commit_));
        return false;
    }
    request.entries.erase(request.entries.begin(), end);
    request.previous = {.index = commit_, .term = *log_.term_at(commit_)};
    return true;
}

void Core::heed_commit(Index commit) {
    commit_ = std::max(commit_, std::min(commit, following_.matched));
}

// An acknowledgement is a promise: the entries, and the term in which it is made, are on disk.
Index Core::durable_match() const {
    if (durable_hard_state_.term != hard_state_.term) return 0;
    return std::min(following_.matched, durable_);
}

void Core::reply_append(std::optional<AppendRejection> rejection) {
    following_.acknowledged = durable_match();
    send(following_.leader, AppendReply{.match = following_.acknowledged,
                                        .received = following_.matched,
                                        .round = following_.round,
                                        .rejection = rejection});
}

// More of the leader's log is known to be on the disk: one answer for all appends that it holds.
void Core::acknowledge() {
    if (following_.leader == no_server || durable_match() <= following_.acknowledged) return;
    reply_append();
}

} // namespace hawser::raft
