// The responder's decisions, pure: what to do with a query's bytes, given the mesh.
//
// Names of the mesh's domain are answered here, everything else is to be forwarded untouched.
//   <service>.<domain>           A, AAAA: its VIPs
//   _<service>._tcp.<domain>     SRV: its usable instances, with their nodes' addresses
//   <node>.node.<domain>         A, AAAA: the node's own address
//   <VIP>.in-addr.arpa, ip6.arpa PTR: back to <service>.<domain>
// Unknown names of the domain do not exist (NXDOMAIN), known ones without the asked type are
// empty (NODATA); both carry an SOA that lets resolvers remember it for a few seconds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "model/mesh_snapshot.h"

namespace hawser::host {

enum class DnsAction : std::uint8_t { answer, forward, drop };
enum class DnsResult : std::uint8_t {
    answered,
    no_data,
    no_such_name,
    malformed,
    refused,
    forwarded,
    failed, // no upstream answered, or the mesh is not known yet
    dropped,
};
inline constexpr std::size_t dns_result_count = 8;
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
// `udp`: keep to the asker's size (at most limits::dns_udp_answer_bytes), else set TC.
[[nodiscard]] DnsDecision decide(ByteView query, const DnsZone& zone, bool udp);

// The address a name under in-addr.arpa or ip6.arpa stands for; nothing if it is no whole one.
[[nodiscard]] std::optional<IpAddress> reverse_address(std::string_view name);

} // namespace hawser::host
