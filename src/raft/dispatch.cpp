// Messages: whom to listen to, and what a term that is not ours means (§3.3).
#include <format>
#include <utility>

#include "raft/core.h"

namespace hawser::raft {

namespace {

template <typename Body>
bool is(const Message& message) {
    return std::holds_alternative<Body>(message.body);
}

bool is_reply(const Message& message) {
    return is<PreVoteReply>(message) || is<VoteReply>(message) || is<AppendReply>(message) ||
           is<SnapshotReply>(message);
}

} // namespace

// Requests are taken from servers that the configuration does not name: a server that joins knows
// nobody, and one that was away does not know who joined meanwhile (§4.1). Replies only come from
// those who were asked.
void Core::on(Received received) {
    Message& message = received.message;
    if (Result<void> checked = check_message(message, id_); !checked) {
        actions_.refused = std::move(checked.error());
        return;
    }
    if (is_reply(message) && !log_.configuration().names(message.from) && !peer(message.from)) {
        refuse(ErrorCode::permission_denied,
               std::format("server {:016x} is not of this cluster", message.from));
        return;
    }
    if (!take_term(message)) return;
    if (message.term < hard_state_.term) {
        answer_stale(message);
        return;
    }
    std::visit([&](auto&& body) { on(message.from, std::forward<decltype(body)>(body)); },
               std::move(message.body));
}

// §4.2.3: "if a server receives a RequestVote request within the minimum election timeout of
// hearing from a current leader, it does not update its term or grant its vote". And one that was
// removed, and is only still listened to that it may learn so, deposes nobody.
bool Core::take_term(const Message& message) {
    const auto* vote = std::get_if<VoteRequest>(&message.body);
    const bool asks_for_vote = is<PreVoteRequest>(message) || (vote && !vote->transfer);
    if (asks_for_vote && hears_leader() && message.term >= hard_state_.term) return false;
    if (message.term <= hard_state_.term) return true;
    if (is_reply(message) && !log_.configuration().names(message.from)) return false;
    become_follower(message.term, no_server);
    return true;
}

bool Core::hears_leader() const {
    if (role_ == Role::leader) return true; // or it would have stepped down
    return following_.leader != no_server && now_ - following_.heard < options_.election_min;
}

// Who is behind learns the term from the answer: a leader steps down, a candidate tries again.
void Core::answer_stale(const Message& message) {
    if (is<AppendRequest>(message) || is<SnapshotRequest>(message)) {
        send(message.from, AppendReply{});
    } else if (is<PreVoteRequest>(message)) {
        send(message.from, PreVoteReply{});
    } else if (is<VoteRequest>(message)) {
        send(message.from, VoteReply{});
    }
}

void Core::send(ServerId to, MessageBody body) {
    actions_.messages.push_back(
        {.from = id_, .to = to, .term = hard_state_.term, .body = std::move(body)});
}

} // namespace hawser::raft
