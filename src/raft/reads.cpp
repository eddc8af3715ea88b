// Linearizable reads without a write (§6.4): a leader that a majority still followed after the
// read began knows everything that was committed before it. One round of heartbeats confirms all
// reads that wait. There are no lease reads: they would trust clocks.
#include <algorithm>
#include <format>
#include <utility>

#include "raft/core.h"
#include "raft/majority.h"

namespace hawser::raft {

void Core::on(const Read& read) {
    const std::size_t waiting =
        leading_.reads.size() + following_.reads.size() + answered_reads_.size();
    if (leader() == no_server) {
        refuse(ErrorCode::unavailable, "no leader is known");
    } else if (waiting >= options_.reads_in_flight) {
        refuse(ErrorCode::resource_exhausted, std::format("{} reads are waiting already", waiting));
    } else if (role_ == Role::leader) {
        take_read({.from = id_, .id = read.id});
    } else {
        following_.reads.push_back(read.id);
        ask_leader();
    }
}

// --- the leader ------------------------------------------------------------------------------

// While a round is on its way, what comes shares the next one.
void Core::take_read(LeaderRead read) {
    read.round = leading_.round + 1;
    const bool waits = !leading_.reads.empty();
    leading_.reads.push_back(read);
    if (waits) return;
    begin_round();
    confirm_reads();
}

void Core::confirm_reads() {
    if (!term_is_committed()) return;
    std::deque<LeaderRead>& reads = leading_.reads;
    if (reads.empty()) return;
    const std::uint64_t confirmed = reached_by_majority(
        log_.configuration(),
        [this](ServerId voter) { return voter == id_ ? leading_.round : peer(voter)->round; });
    bool any = false;
    for (; !reads.empty() && reads.front().round <= confirmed; reads.pop_front()) {
        any = true;
        const LeaderRead& read = reads.front();
        if (read.from == id_) {
            answered_reads_.push_back({.id = read.id, .index = commit_});
        } else {
            send(read.from, ReadReply{.token = read.id, .index = commit_});
        }
    }
    if (any && !reads.empty() && reads.front().round > leading_.broadcast) {
        begin_round();
        confirm_reads(); // a sole voter needs nobody's answer
    }
}

void Core::on(ServerId from, const ReadRequest& request) {
    if (role_ != Role::leader || !log_.configuration().names(from)) return;
    if (leading_.reads.size() >= options_.reads_in_flight) return;
    take_read({.from = from, .id = request.token});
}

// --- the others ------------------------------------------------------------------------------

// One question at a time, for all reads that came before it.
void Core::ask_leader() {
    if (following_.question || following_.reads.empty()) return;
    following_.question = {
        .token = ++last_token_, .reads = std::exchange(following_.reads, {}), .since = now_};
    send(following_.leader, ReadRequest{.token = last_token_});
}

void Core::on(ServerId from, const ReadReply& reply) {
    std::optional<Question>& question = following_.question;
    if (from != following_.leader || !question || question->token != reply.token) return;
    for (const ReadId id : question->reads) {
        answered_reads_.push_back({.id = id, .index = reply.index});
    }
    question.reset();
    ask_leader();
}

// Of those the leader did not yet answer; the rest only wait for the state machine.
void Core::lose_reads() {
    std::vector<ReadId>& lost = actions_.reads_lost;
    if (following_.question) {
        lost.insert(lost.end(), following_.question->reads.begin(),
                    following_.question->reads.end());
    }
    lost.insert(lost.end(), following_.reads.begin(), following_.reads.end());
    for (const LeaderRead& read : leading_.reads) {
        if (read.from == id_) lost.push_back(read.id);
    }
    following_.question.reset();
    following_.reads.clear();
    leading_.reads.clear();
}

void Core::hand_out_reads() {
    std::erase_if(answered_reads_, [this](const AnsweredRead& read) {
        if (read.index > applied_) return false;
        actions_.reads.push_back(read.id);
        return true;
    });
}

} // namespace hawser::raft
