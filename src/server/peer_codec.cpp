#include "server/peer_codec.h"

#include <format>
#include <optional>
#include <utility>

#include "model/proto/peer.pb.h"

namespace hawser::server {

namespace {

v1::PeerPosition to_proto(const raft::Position& position) {
    v1::PeerPosition message;
    message.set_index(position.index);
    message.set_term(position.term);
    return message;
}

raft::Position from_proto(const v1::PeerPosition& message) {
    return {.index = message.index(), .term = message.term()};
}

// --- messages --------------------------------------------------------------------------------

struct Writer {
    v1::PeerMessage& message;

    void operator()(const raft::PreVoteRequest& body) const {
        *message.mutable_pre_vote_request()->mutable_last() = to_proto(body.last);
    }
    void operator()(const raft::PreVoteReply& body) const {
        message.mutable_pre_vote_reply()->set_granted(body.granted);
    }
    void operator()(const raft::VoteRequest& body) const {
        *message.mutable_vote_request()->mutable_last() = to_proto(body.last);
        message.mutable_vote_request()->set_transfer(body.transfer);
    }
    void operator()(const raft::VoteReply& body) const {
        message.mutable_vote_reply()->set_granted(body.granted);
    }
    void operator()(const raft::AppendRequest& body) const {
        v1::PeerAppendRequest& append = *message.mutable_append_request();
        *append.mutable_previous() = to_proto(body.previous);
        append.set_commit(body.commit);
        append.set_round(body.round);
        append.mutable_entries()->Reserve(static_cast<int>(body.entries.size()));
        for (const raft::Entry& entry : body.entries) {
            v1::PeerEntry& added = *append.add_entries();
            added.set_term(entry.term);
            added.set_kind(static_cast<std::uint32_t>(entry.kind));
            added.set_data(*entry.data);
        }
    }
    void operator()(const raft::AppendReply& body) const {
        v1::PeerAppendReply& reply = *message.mutable_append_reply();
        reply.set_match(body.match);
        reply.set_received(body.received);
        reply.set_round(body.round);
        if (!body.rejection) return;
        reply.set_rejected(true);
        reply.set_rejected_index(body.rejection->index);
        *reply.mutable_hint() = to_proto(body.rejection->hint);
    }
    void operator()(const raft::SnapshotRequest& body) const {
        v1::PeerSnapshotRequest& snapshot = *message.mutable_snapshot_request();
        snapshot.set_transfer(body.transfer);
        *snapshot.mutable_last() = to_proto(body.base.position);
        snapshot.set_configuration(raft::encode(body.base.configuration));
        snapshot.set_offset(body.offset);
        if (body.data) snapshot.set_data(*body.data);
        snapshot.set_complete(body.last);
    }
    void operator()(const raft::SnapshotReply& body) const {
        message.mutable_snapshot_reply()->set_transfer(body.transfer);
        message.mutable_snapshot_reply()->set_offset(body.offset);
    }
    void operator()(const raft::TimeoutNow& /*body*/) const { message.mutable_timeout_now(); }
    void operator()(const raft::ReadRequest& body) const {
        message.mutable_read_request()->set_token(body.token);
    }
    void operator()(const raft::ReadReply& body) const {
        message.mutable_read_reply()->set_token(body.token);
        message.mutable_read_reply()->set_index(body.index);
    }
};

// The entries' bytes move over; they are not copied.
Result<raft::MessageBody> read(v1::PeerAppendRequest& message) {
    if (message.entries_size() > static_cast<int>(raft::max_entries_per_append)) {
        return fail(ErrorCode::invalid,
                    std::format("an append of {} entries", message.entries_size()));
    }
    raft::AppendRequest body{.previous = from_proto(message.previous()),
                             .entries = {},
                             .commit = message.commit(),
                             .round = message.round()};
    if (body.previous.index > raft::max_index) {
        return fail(ErrorCode::invalid, "an append beyond the end of all logs");
    }
    body.entries.reserve(static_cast<std::size_t>(message.entries_size()));
    raft::Index index = body.previous.index;
    for (v1::PeerEntry& entry : *message.mutable_entries()) {
        if (entry.kind() > UINT8_MAX) return fail(ErrorCode::invalid, "an entry of unknown kind");
        body.entries.push_back({.index = ++index,
                                .term = entry.term(),
                                .kind = static_cast<raft::EntryKind>(entry.kind()),
                                .data = raft::make_payload(std::move(*entry.mutable_data()))});
    }
    return body;
}

Result<raft::MessageBody> read(const v1::PeerAppendReply& message) {
    raft::AppendReply body{.match = message.match(),
                           .received = message.received(),
                           .round = message.round(),
                           .rejection = std::nullopt};
    if (message.rejected()) {
        body.rejection = {.index = message.rejected_index(), .hint = from_proto(message.hint())};
    }
    return body;
}

Result<raft::MessageBody> read(v1::PeerSnapshotRequest& message) {
    Result<raft::Configuration> configuration = raft::decode_configuration(message.configuration());
    if (!configuration) return fail(std::move(configuration.error()), "a snapshot");
    return raft::SnapshotRequest{
        .transfer = message.transfer(),
        .base = {.position = from_proto(message.last()), .configuration = *configuration},
        .offset = message.offset(),
        .data = raft::make_payload(std::move(*message.mutable_data())),
        .last = message.complete()};
}

// None: a message that came later than this version, which raft does without.
Result<std::optional<raft::MessageBody>> read_body(v1::PeerMessage& message) {
    using Case = v1::PeerMessage::BodyCase;
    switch (message.body_case()) {
        case Case::kPreVoteRequest:
            return raft::PreVoteRequest{.last = from_proto(message.pre_vote_request().last())};
        case Case::kPreVoteReply:
            return raft::PreVoteReply{.granted = message.pre_vote_reply().granted()};
        case Case::kVoteRequest:
            return raft::VoteRequest{.last = from_proto(message.vote_request().last()),
                                     .transfer = message.vote_request().transfer()};
        case Case::kVoteReply: return raft::VoteReply{.granted = message.vote_reply().granted()};
        case Case::kAppendRequest: return read(*message.mutable_append_request());
        case Case::kAppendReply: return read(message.append_reply());
        case Case::kSnapshotRequest: return read(*message.mutable_snapshot_request());
        case Case::kSnapshotReply:
            return raft::SnapshotReply{.transfer = message.snapshot_reply().transfer(),
                                       .offset = message.snapshot_reply().offset()};
        case Case::kTimeoutNow: return raft::TimeoutNow{};
        case Case::kReadRequest: return raft::ReadRequest{.token = message.read_request().token()};
        case Case::kReadReply:
            return raft::ReadReply{.token = message.read_reply().token(),
                                   .index = message.read_reply().index()};
        case Case::BODY_NOT_SET: break;
    }
    return std::optional<raft::MessageBody>();
}

} // namespace

std::size_t size_of(const raft::Message& message) {
    constexpr std::size_t overhead = 32;
    std::size_t size = overhead;
    if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
        for (const raft::Entry& entry : append->entries) size += entry.data->size() + overhead;
    } else if (const auto* snapshot = std::get_if<raft::SnapshotRequest>(&message.body)) {
        size += snapshot->data ? snapshot->data->size() : 0;
    }
    return size;
}

std::string encode_batch(const std::vector<raft::Message>& messages) {
    v1::PeerBatch batch;
    batch.mutable_messages()->Reserve(static_cast<int>(messages.size()));
    for (const raft::Message& message : messages) {
        v1::PeerMessage& added = *batch.add_messages();
        added.set_term(message.term);
        std::visit(Writer{added}, message.body);
    }
    return batch.SerializeAsString();
}

Result<std::vector<raft::Message>> decode_batch(std::string_view bytes, raft::ServerId from,
                                                raft::ServerId to) {
    v1::PeerBatch batch;
    if (!batch.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return fail(ErrorCode::invalid, "what the peer sent is not a valid message");
    std::vector<raft::Message> messages;
    messages.reserve(static_cast<std::size_t>(batch.messages_size()));
    for (v1::PeerMessage& message : *batch.mutable_messages()) {
        Result<std::optional<raft::MessageBody>> body = read_body(message);
        if (!body) return fail(std::move(body.error()));
        if (!*body) continue;
        messages.push_back(
            {.from = from, .to = to, .term = message.term(), .body = std::move(**body)});
    }
    return messages;
}

} // namespace hawser::server
