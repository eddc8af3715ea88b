// What servers say to each other beside raft's messages: the first words of a stream, and calls
// (proto/peer.proto).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "raft/event.h"

namespace hawser::server {

inline constexpr std::string_view messages_path = "/hawser.v1.Peer/Messages";
inline constexpr std::string_view propose_path = "/hawser.v1.Peer/Propose";
inline constexpr std::string_view members_path = "/hawser.v1.Peer/Members";

// The newest protocol this program speaks, and the oldest it still does.
inline constexpr std::uint32_t peer_protocol = 1;
inline constexpr std::uint32_t oldest_peer_protocol = 1;

// A member of the cluster, as far as reaching and recognizing it goes.
struct Member {
    raft::ServerId id = raft::no_server;
    std::string name; // in its certificate
    std::vector<Endpoint> addresses;
    bool operator==(const Member&) const = default;
};

// First words on a stream, in each direction.
struct PeerGreeting {
    Member sender; // its addresses: where it says it is reached
    raft::ServerId to = raft::no_server;
    std::string trust_domain;
    std::string version;
    std::uint32_t protocol_min = oldest_peer_protocol;
    std::uint32_t protocol_max = peer_protocol;
};
[[nodiscard]] std::string encode(const PeerGreeting& greeting);
[[nodiscard]] Result<PeerGreeting> decode_greeting(std::string_view bytes);

// The newest version both speak; fails, naming both ranges, if there is none.
[[nodiscard]] Result<std::uint32_t> agree_on_protocol(const PeerGreeting& theirs);

struct ForwardedCommands {
    raft::ServerId from = raft::no_server;
    raft::ServerId to = raft::no_server;
    std::vector<raft::Payload> commands;
};
[[nodiscard]] std::string encode(const ForwardedCommands& request);
[[nodiscard]] Result<ForwardedCommands> decode_commands(std::string bytes);

// Their places, or why none of them was taken.
[[nodiscard]] std::string encode_accepted(const Result<raft::Accepted>& accepted);
struct AcceptedOrNot {
    Result<raft::Accepted> accepted;
};
// Fails when the answer is no answer.
[[nodiscard]] Result<AcceptedOrNot> decode_accepted(std::string_view bytes);

// Who is of the cluster, as a registry at `index` has it.
struct Membership {
    std::uint64_t index = 0;
    std::vector<Member> members;
};
[[nodiscard]] std::string encode_members_request(raft::ServerId from);
[[nodiscard]] Result<raft::ServerId> decode_members_request(std::string_view bytes);
[[nodiscard]] std::string encode(const Membership& membership);
[[nodiscard]] Result<Membership> decode_membership(std::string_view bytes);

} // namespace hawser::server
