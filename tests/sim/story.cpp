#include "story.h"

#include <format>

namespace hawser::raft::sim {

namespace {

std::string place(const Position& position) {
    return std::format("{}({})", position.index, position.term);
}

std::string body(const PreVoteRequest& request) {
    return "pre-vote? last " + place(request.last);
}
std::string body(const PreVoteReply& reply) {
    return reply.granted ? "pre-vote: yes" : "pre-vote: no";
}
std::string body(const VoteRequest& request) {
    return std::format("vote? last {}{}", place(request.last),
                       request.transfer ? ", for the leader" : "");
}
std::string body(const VoteReply& reply) {
    return reply.granted ? "vote: yes" : "vote: no";
}
std::string body(const AppendRequest& request) {
    return std::format("append after {}: {} entries, commit {}, round {}", place(request.previous),
                       request.entries.size(), request.commit, request.round);
}
std::string body(const AppendReply& reply) {
    const std::string rejected = reply.rejection
                                     ? std::format(", rejects {} with {}", reply.rejection->index,
                                                   place(reply.rejection->hint))
                                     : "";
    return std::format("appended: match {}, received {}, round {}{}", reply.match, reply.received,
                       reply.round, rejected);
}
std::string body(const SnapshotRequest& request) {
    return std::format("snapshot {} #{} from {}, {} bytes{}", place(request.base.position),
                       request.transfer, request.offset, request.data->size(),
                       request.last ? ", the last" : "");
}
std::string body(const SnapshotReply& reply) {
    return std::format("snapshot #{}: go on at {}", reply.transfer, reply.offset);
}
std::string body(const TimeoutNow&) {
    return "hold an election";
}
std::string body(const ReadRequest& request) {
    return std::format("may I read? {:x}", request.token);
}
std::string body(const ReadReply& reply) {
    return std::format("read {:x} at {}", reply.token, reply.index);
}

} // namespace

std::string describe(const Message& message) {
    return std::format("    {:x} → {:x} term {} {}", message.from, message.to, message.term,
                       std::visit([](const auto& what) { return body(what); }, message.body));
}

} // namespace hawser::raft::sim
