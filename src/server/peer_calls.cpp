#include "server/peer_calls.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/codec.h"
#include "model/proto/peer.pb.h"
#include "model/validation.h"

namespace hawser::server {

namespace {

std::unexpected<Error> malformed(std::string_view what) {
    return fail(ErrorCode::invalid, std::format("{} is not a valid message", what));
}

template <typename Addresses>
void write_addresses(const std::vector<Endpoint>& addresses, Addresses& message) {
    for (const Endpoint& address : addresses) *message.Add() = model::to_proto(address);
}

template <typename Addresses>
Result<std::vector<Endpoint>> read_addresses(const Addresses& message) {
    if (message.size() > static_cast<int>(limits::addresses_per_server)) {
        return fail(ErrorCode::invalid, std::format("a server of {} addresses", message.size()));
    }
    std::vector<Endpoint> addresses;
    for (const v1::Endpoint& address : message) {
        Result<Endpoint> read = model::from_proto(address);
        if (!read) return fail(std::move(read.error()));
        if (read->port != 0 && !read->address.is_unspecified()) addresses.push_back(*read);
    }
    return addresses;
}

Result<Member> make_member(raft::ServerId id, const std::string& name,
                           Result<std::vector<Endpoint>> addresses) {
    if (id == raft::no_server) return fail(ErrorCode::invalid, "a server without an id");
    if (Result<void> checked = model::check_name(name, "server name"); !checked)
        return fail(std::move(checked.error()));
    if (!addresses) return fail(std::move(addresses.error()));
    return Member{.id = id, .name = name, .addresses = std::move(*addresses)};
}

} // namespace

std::string encode(const PeerGreeting& greeting) {
    v1::PeerHello message;
    message.set_server(greeting.sender.id);
    message.set_to(greeting.to);
    message.set_name(greeting.sender.name);
    message.set_trust_domain(greeting.trust_domain);
    message.set_protocol_min(greeting.protocol_min);
    message.set_protocol_max(greeting.protocol_max);
    write_addresses(greeting.sender.addresses, *message.mutable_addresses());
    message.set_version(greeting.version);
    return message.SerializeAsString();
}

Result<PeerGreeting> decode_greeting(std::string_view bytes) {
    v1::PeerHello message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return malformed("the peer's hello");
    Result<Member> sender =
        make_member(message.server(), message.name(), read_addresses(message.addresses()));
    if (!sender) return fail(std::move(sender.error()), "the peer's hello");
    return PeerGreeting{.sender = std::move(*sender),
                        .to = message.to(),
                        .trust_domain = message.trust_domain(),
                        .version = printable(message.version(), 64),
                        .protocol_min = message.protocol_min(),
                        .protocol_max = message.protocol_max()};
}

Result<std::uint32_t> agree_on_protocol(const PeerGreeting& theirs) {
    const std::uint32_t newest = std::min(peer_protocol, theirs.protocol_max);
    if (newest >= std::max(oldest_peer_protocol, theirs.protocol_min)) return newest;
    return fail(ErrorCode::failed_precondition,
                std::format("server '{}' ({}) speaks protocol {} to {}, this one {} to {}: upgrade "
                            "the older one first to a version in between",
                            theirs.sender.name, theirs.version, theirs.protocol_min,
                            theirs.protocol_max, oldest_peer_protocol, peer_protocol));
}

std::string encode(const ForwardedCommands& request) {
    v1::PeerProposeRequest message;
    message.set_from(request.from);
    message.set_to(request.to);
    for (const raft::Payload& command : request.commands) message.add_commands(*command);
    return message.SerializeAsString();
}

Result<ForwardedCommands> decode_commands(std::string bytes) {
    v1::PeerProposeRequest message;
    if (!message.ParseFromString(bytes)) return malformed("the request");
    if (message.commands_size() == 0 ||
        message.commands_size() > static_cast<int>(raft::max_entries_per_append)) {
        return fail(ErrorCode::invalid, std::format("{} commands", message.commands_size()));
    }
    ForwardedCommands request{.from = message.from(), .to = message.to(), .commands = {}};
    for (std::string& command : *message.mutable_commands())
        request.commands.push_back(raft::make_payload(std::move(command)));
    return request;
}

std::string encode_accepted(const Result<raft::Accepted>& accepted) {
    v1::PeerProposeResponse message;
    if (accepted) {
        message.set_first_index(accepted->first_index);
        message.set_term(accepted->term);
    } else {
        message.set_refused_code(static_cast<std::uint32_t>(accepted.error().code));
        message.set_refused_message(accepted.error().message);
    }
    return message.SerializeAsString();
}

Result<AcceptedOrNot> decode_accepted(std::string_view bytes) {
    v1::PeerProposeResponse message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return malformed("the answer");
    if (message.refused_code() != 0) {
        const bool known =
            message.refused_code() <= static_cast<std::uint32_t>(ErrorCode::unauthenticated);
        return AcceptedOrNot{
            fail(known ? static_cast<ErrorCode>(message.refused_code()) : ErrorCode::unknown,
                 printable(message.refused_message(), 512))};
    }
    const raft::Accepted accepted{.first_index = message.first_index(), .term = message.term()};
    if (accepted.first_index == 0 || accepted.first_index > raft::max_index || accepted.term == 0 ||
        accepted.term > raft::max_term) {
        return malformed("the answer");
    }
    return AcceptedOrNot{accepted};
}

std::string encode_members_request(raft::ServerId from) {
    v1::PeerMembersRequest message;
    message.set_from(from);
    return message.SerializeAsString();
}

Result<raft::ServerId> decode_members_request(std::string_view bytes) {
    v1::PeerMembersRequest message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return malformed("the request");
    return message.from();
}

std::string encode(const Membership& membership) {
    v1::PeerMembersResponse message;
    message.set_index(membership.index);
    for (const Member& member : membership.members) {
        v1::PeerMember& added = *message.add_members();
        added.set_id(member.id);
        added.set_name(member.name);
        write_addresses(member.addresses, *added.mutable_addresses());
    }
    return message.SerializeAsString();
}

Result<Membership> decode_membership(std::string_view bytes) {
    v1::PeerMembersResponse message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return malformed("the answer");
    if (message.members_size() > static_cast<int>(limits::servers))
        return fail(ErrorCode::invalid, std::format("{} servers", message.members_size()));
    Membership membership{.index = message.index(), .members = {}};
    for (const v1::PeerMember& member : message.members()) {
        Result<Member> read =
            make_member(member.id(), member.name(), read_addresses(member.addresses()));
        if (!read) return fail(std::move(read.error()));
        membership.members.push_back(std::move(*read));
    }
    return membership;
}

} // namespace hawser::server
