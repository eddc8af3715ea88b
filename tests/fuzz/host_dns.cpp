// DNS messages: what any local program sends to the responder, and what an upstream sends back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/limits.h"
#include "host/dns_answer.h"
#include "host/dns_message.h"
#include "host/resolv_conf.h"

namespace {

using namespace hawser;

model::Change row(model::Resource resource) {
    return {.kind = model::kind_of(resource),
            .key = model::key_of(resource),
            .index = 1,
            .value = std::make_shared<const model::Resource>(std::move(resource))};
}

model::SnapshotPtr make_mesh() {
    model::SnapshotBuilder builder;
    model::TrustDomain trust;
    trust.vip4 = Cidr::parse("240.0.0.0/8").value();
    trust.vip6 = Cidr::parse("fd68:6177::/64").value();
    builder.apply(row(trust));
    model::Service service;
    service.name = "api";
    service.vip4 = IpAddress::parse("240.0.0.1").value();
    service.vip6 = IpAddress::parse("fd68:6177::1").value();
    builder.apply(row(service));
    model::Node node;
    node.name = "n";
    node.tunnel = Endpoint::parse("10.0.0.1:15008").value();
    node.alive = true;
    builder.apply(row(node));
    for (std::uint16_t port = 1; port < 40; ++port) {
        model::Instance instance;
        instance.node = "n";
        instance.service = "api";
        instance.port = port;
        instance.health = model::Health::passing;
        builder.apply(row(instance));
    }
    return builder.build();
}

void check(bool holds) {
    if (!holds) std::abort();
}

void check_decision(ByteView query, const host::DnsZone& zone, bool udp) {
    const host::DnsDecision decision = host::decide(query, zone, udp);
    if (decision.action == host::DnsAction::forward) {
        check(host::read_question(query).has_value());
        check(!host::answers(query, query));
    }
    if (decision.action != host::DnsAction::answer) return;
    const ByteView answer = as_bytes(decision.answer);
    check(answer.size() <= (udp ? limits::dns_udp_answer_bytes : limits::dns_message_bytes));
    check(host::dns_id(answer) == host::dns_id(query));
    check(decision.result == host::DnsResult::malformed || host::answers(answer, query));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const model::SnapshotPtr mesh = make_mesh();
    const ByteView bytes(data, size);
    const host::DnsZone known{.snapshot = mesh.get()}, unknown;
    check_decision(bytes, known, true);
    check_decision(bytes, known, false);
    check_decision(bytes, unknown, true);
    const std::string failure = host::error_answer(bytes, host::dns_server_failure);
    check(failure.empty() || host::dns_rcode(as_bytes(failure)) == host::dns_server_failure);
    check(host::parse_resolv_conf(as_text(bytes)).size() <= 8);
    return 0;
}
