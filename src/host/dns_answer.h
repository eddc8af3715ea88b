// The responder's decisions, pure: what to do with a query's bytes, given the mesh. Hides c-ares'
// message codec.
//
// Names of the mesh's domain are answered here, everything else is to be forwarded untouched.
//   <service>.<domain>          A, AAAA: its VIPs
//   _<service>._tcp.<domain>    SRV: its usable instances, with their nodes' addresses
//   <node>.node.<domain>        A, AAAA: the node's own address
//   <VIP>.in-addr.arpa, ip6.arpa PTR: back to <service>.<domain>
// Unknown names of the domain do not exist (NXDOMAIN), known ones without the asked type are
// empty (NODATA); both say so with an SOA that lets resolvers remember it for a few seconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "model/mesh_snapshot.h"

namespace hawser::host {

// The first question of a message, and where it ends: all that forwarding needs to know.
struct DnsQuestion {
    std::uint16_t id = 0;
    std::uint16_t flags = 0;
    std::string name; // lower case, dots between labels, none at the end
    std::uint16_t type = 0;
    std::uint16_t class_ = 0;
    std::size_t end = 0; // offset behind the question
};
// Refuses anything shorter, compressed, over-long, or without exactly one question.
[[nodiscard]] Result<DnsQuestion> read_question(ByteView message);

enum class DnsAction : std::uint8_t { answer, forward, drop };
enum class DnsResult : std::uint8_t {
    answered,
    no_data,
    no_such_name,
    malformed,
    refused,
    forwarded,
    failed,
    dropped
};
[[nodiscard]] std::string_view to_string(DnsResult result);

struct DnsZone {
    const model::MeshSnapshot* snapshot = nullptr; // null: no mesh known yet
    std::string_view domain = "mesh";
    bool ipv6 = true; // false: no AAAA for VIPs, as the host could not use them
};

struct DnsDecision {
    DnsAction action = DnsAction::drop;
    DnsResult result = DnsResult::dropped;
    std::string answer; // with DnsAction::answer
};
// `udp`: keep to the asker's EDNS0 size (at most limits::dns_udp_answer_bytes), else set TC.
[[nodiscard]] DnsDecision decide(ByteView query, const DnsZone& zone, bool udp);

// An empty answer to the query with this response code (RFC 1035 §4.1.1); "" when the query has
// no header to answer.
[[nodiscard]] std::string error_answer(ByteView query, int rcode);
inline constexpr int dns_format_error = 1;
inline constexpr int dns_server_failure = 2;
inline constexpr int dns_refused = 5;

// An upstream's message answers the forwarded query: a response, this id, this question.
[[nodiscard]] bool answers(ByteView response, ByteView query);
void set_dns_id(std::string& message, std::uint16_t id);
[[nodiscard]] int dns_rcode(ByteView message);
[[nodiscard]] bool dns_truncated(ByteView message);

} // namespace hawser::host
