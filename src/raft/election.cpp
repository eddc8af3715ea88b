// Becoming leader (§3.4), without disturbing one (§9.6, §4.2.3).
#include <algorithm>
#include <tuple>

#include "raft/core.h"

namespace hawser::raft {

void Core::arm_election_timer() {
    const auto spread =
        static_cast<std::uint64_t>((options_.election_max - options_.election_min).count());
    election_deadline_ =
        now_ + options_.election_min + std::chrono::milliseconds(random_.below(spread + 1));
}

// Whoever has a vote; also a server whose removal is in its log, but perhaps in nobody else's: the
// others may need its log, and it alone can bring the removal about (§4.2.2).
bool Core::may_campaign() const {
    if (log_.configuration().votes(id_)) return true;
    const Index removal = log_.configuration_index();
    return removal > commit_ && log_.configuration_at(removal - 1).votes(id_);
}

// First only a question whether an election could be won: a server that is cut off must not raise
// its term again and again, or it would depose the leader when it comes back (§9.6).
void Core::hold_election() {
    const Configuration& configuration = log_.configuration();
    if (!may_campaign()) return;
    if (configuration.only_voter(id_)) {
        if (role_ == Role::follower) campaign(false);
        return;
    }
    arm_election_timer();
    // It could not make its vote durable, and should not lead; nor should it while its state
    // machine is being replaced.
    if (disk_is_stuck() || (receiving_ && receiving_->installing)) return;
    become_follower(hard_state_.term, no_server);
    role_ = Role::pre_candidate;
    campaign_ = {.granted = {id_}};
    for (const ServerId voter : configuration.voters) {
        if (voter != id_) send(voter, PreVoteRequest{.last = log_.last()});
    }
}

// "To begin an election, a follower increments its current term and transitions to candidate
// state. It then votes for itself": that is durable before it counts and before others are asked.
// Otherwise a crash could make it ask twice in one term, with two logs, and add up the answers.
void Core::campaign(bool transfer) {
    if (hard_state_.term >= max_term) return;
    become_follower(hard_state_.term + 1, no_server);
    hard_state_.vote = id_;
    role_ = Role::candidate;
    campaign_ = {.granted = {}, .transfer = transfer};
}

void Core::request_votes() {
    if (campaign_.requested || !hard_state_is_durable()) return;
    campaign_.requested = true;
    campaign_.granted.insert(id_);
    for (const ServerId voter : log_.configuration().voters) {
        if (voter == id_) continue;
        send(voter, VoteRequest{.last = log_.last(), .transfer = campaign_.transfer});
    }
    count_votes();
}

void Core::count_votes() {
    const Configuration& configuration = log_.configuration();
    const auto granted = std::ranges::count_if(
        configuration.voters, [this](ServerId voter) { return campaign_.granted.contains(voter); });
    if (static_cast<std::size_t>(granted) < configuration.quorum()) return;
    if (role_ == Role::pre_candidate) {
        campaign(false);
    } else if (campaign_.requested) {
        become_leader();
    }
}

// §3.6.1: "if the logs have last entries with different terms, then the log with the later term is
// more up-to-date; if they end with the same term, then whichever log is longer." A server with
// nothing in its log has not joined yet, or lost what it promised: it is in nobody's majority.
bool Core::is_up_to_date(const Position& last) const {
    const Position own = log_.last();
    return own.index > 0 && std::tie(last.term, last.index) >= std::tie(own.term, own.index);
}

void Core::on(ServerId from, const PreVoteRequest& request) {
    send(from, PreVoteReply{.granted = is_up_to_date(request.last)});
}

void Core::on(ServerId from, const PreVoteReply& reply) {
    if (role_ != Role::pre_candidate || !reply.granted) return;
    campaign_.granted.insert(from);
    count_votes();
}

void Core::on(ServerId from, const VoteRequest& request) {
    const bool free = hard_state_.vote == no_server && following_.leader == no_server;
    if (!is_up_to_date(request.last) || (!free && hard_state_.vote != from)) {
        send(from, VoteReply{});
        return;
    }
    if (free) {
        hard_state_.vote = from;
        persist();
        arm_election_timer();
    }
    vote_is_due_ = true;
    settle_vote();
}

// A vote is told once it would survive a crash: a server that forgot it could vote again.
void Core::settle_vote() {
    if (!vote_is_due_ || !hard_state_is_durable()) return;
    vote_is_due_ = false;
    send(hard_state_.vote, VoteReply{.granted = true});
}

void Core::on(ServerId from, const VoteReply& reply) {
    if (role_ != Role::candidate || !reply.granted) return;
    campaign_.granted.insert(from);
    count_votes();
}

// Ends whatever role there was. A new term begins without a vote.
void Core::become_follower(Term term, ServerId leader) {
    if (term > hard_state_.term) {
        hard_state_ = {.term = term};
        vote_is_due_ = false;
        persist();
    }
    lose_reads();
    if (role_ == Role::leader) {
        for (auto& [id, peer] : leading_.peers) end_snapshot(id, peer);
        leading_ = {};
    }
    role_ = Role::follower;
    campaign_ = {};
    // What is committed, each leader of this term and later ones has (§3.6.3).
    following_ = {.leader = leader, .heard = now_, .matched = commit_};
    arm_election_timer();
}

} // namespace hawser::raft
