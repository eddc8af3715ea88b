#include "host/dns_answer.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "dns_messages.h"
#include "host/dns_message.h"
#include "mesh.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;

namespace {

constexpr unsigned a = 1, soa = 6, ptr = 12, mx = 15, aaaa = 28, srv = 33, any = 255;

struct Responder {
    model::SnapshotPtr snapshot = mesh();
    DnsZone zone{.snapshot = snapshot.get()};

    DnsDecision decide(const std::string& bytes, bool udp = true) const {
        return host::decide(as_bytes(bytes), zone, udp);
    }
    Answer ask(std::string_view name, unsigned type, QueryOptions options = {},
               bool udp = true) const {
        const DnsDecision decision = decide(query(name, type, options), udp);
        REQUIRE(decision.action == DnsAction::answer);
        return read_answer(decision.answer);
    }
};

} // namespace

TEST_CASE("a service's name has its VIPs") {
    const Responder responder;
    const Answer v4 = responder.ask("api.mesh", a);
    CHECK(v4.id == 0x1234);
    CHECK(v4.response);
    CHECK(v4.authoritative);
    CHECK(v4.rcode == 0);
    CHECK(v4.records == std::vector<std::string>{"n api.mesh A 240.0.0.1"});
    CHECK(responder.ask("api.mesh", aaaa).records ==
          std::vector<std::string>{"n api.mesh AAAA fd68:6177::1"});
    CHECK(responder.ask("api.mesh", any).records.size() == 2);
}

TEST_CASE("names are found in any case, and the question comes back as it was asked") {
    const Responder responder;
    const Answer answer = responder.ask("aPi.MESH", a);
    CHECK(answer.question == "aPi.MESH 1 1");
    CHECK(answer.records == std::vector<std::string>{"n aPi.MESH A 240.0.0.1"});
}

TEST_CASE("without IPv6 on the host there is no AAAA for VIPs") {
    Responder responder;
    responder.zone.ipv6 = false;
    const Answer answer = responder.ask("api.mesh", aaaa);
    CHECK(answer.rcode == 0);
    CHECK(answer.records == std::vector<std::string>{"s mesh SOA mesh hostmaster.mesh 7"});
}

TEST_CASE("SRV names the usable instances, with their nodes' addresses") {
    const Responder responder;
    const Answer answer = responder.ask("_api._tcp.mesh", srv);
    CHECK(answer.records.size() == 4);
    CHECK(answer.has("n _api._tcp.mesh SRV 3 8080 web-1.node.mesh"));
    CHECK(answer.has("n _api._tcp.mesh SRV 1 8081 web-2.node.mesh"));
    CHECK(answer.has("a web-1.node.mesh A 10.0.0.1"));
    CHECK(answer.has("a web-2.node.mesh AAAA fd00::2"));
    const Answer none = responder.ask("_db._tcp.mesh", srv);
    CHECK(none.rcode == 0);
    CHECK(none.records == std::vector<std::string>{"s mesh SOA mesh hostmaster.mesh 7"});
}

TEST_CASE("a node's name has its address") {
    const Responder responder;
    CHECK(responder.ask("web-1.node.mesh", a).has("n web-1.node.mesh A 10.0.0.1"));
    CHECK(responder.ask("web-2.node.mesh", aaaa).has("n web-2.node.mesh AAAA fd00::2"));
    CHECK(responder.ask("web-1.node.mesh", aaaa).records.front().starts_with("s mesh SOA"));
}

TEST_CASE("an address of the range leads back to its service") {
    const Responder responder;
    CHECK(responder.ask("1.0.0.240.in-addr.arpa", ptr).records ==
          std::vector<std::string>{"n 1.0.0.240.in-addr.arpa PTR api.mesh"});
    const std::string v6 =
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.1.6.8.6.d.f.ip6.arpa";
    CHECK(responder.ask(v6, ptr).has("n " + v6 + " PTR api.mesh"));
    CHECK(responder.ask("9.0.0.240.in-addr.arpa", ptr).rcode == 3);
    CHECK(responder.decide(query("1.0.0.10.in-addr.arpa", ptr)).action == DnsAction::forward);
    CHECK(responder.decide(query("0.0.240.in-addr.arpa", ptr)).action == DnsAction::forward);
}

TEST_CASE("unknown names don't exist, known ones without the type are empty, both with an SOA") {
    const Responder responder;
    const std::vector<std::string> only_soa{"s mesh SOA mesh hostmaster.mesh 7"};
    for (const char* name : {"nobody.mesh", "a.b.c.mesh", "x.api.mesh", "nobody.node.mesh",
                             "_nobody._tcp.mesh", "api._tcp.mesh", "_api._udp.mesh"}) {
        CAPTURE(name);
        const Answer answer = responder.ask(name, a);
        CHECK(answer.rcode == 3);
        CHECK(answer.records == only_soa);
    }
    for (const char* name : {"mesh", "node.mesh", "_tcp.mesh", "_api._tcp.mesh"}) {
        CAPTURE(name);
        const Answer answer = responder.ask(name, a);
        CHECK(answer.rcode == 0);
        CHECK(answer.records == only_soa);
    }
    CHECK(responder.ask("api.mesh", mx).records == only_soa);
    CHECK(responder.ask("mesh", soa).has("n mesh SOA mesh hostmaster.mesh 7"));
}

TEST_CASE("other names are forwarded, whatever they look like") {
    const Responder responder;
    for (const char* name : {"example.com", "mesh.example.com", "apimesh", "xmesh", ""}) {
        CAPTURE(name);
        CHECK(responder.decide(query(name, a)).action == DnsAction::forward);
    }
    CHECK(responder.decide(query("example.com", 64999)).action == DnsAction::forward);
    // A label with a dot in it is no name of the mesh.
    std::string odd = query("xxxxxxxx", a);
    odd.replace(13, 8, "api.mesh");
    CHECK(responder.decide(odd).action == DnsAction::forward);
}

TEST_CASE("EDNS is answered in kind; what does not fit is said to be truncated") {
    Responder responder;
    CHECK_FALSE(responder.ask("api.mesh", a).edns);
    CHECK(responder.ask("api.mesh", a, {.edns_size = 4096}).edns);

    responder.snapshot = mesh(200);
    responder.zone.snapshot = responder.snapshot.get();
    const std::string big = query("_api._tcp.mesh", srv, {.edns_size = 4096});
    const DnsDecision udp = responder.decide(big);
    CHECK(udp.answer.size() <= 512);
    CHECK(read_answer(udp.answer).truncated);
    CHECK(read_answer(udp.answer).records.empty());
    const DnsDecision tcp = responder.decide(big, false);
    CHECK_FALSE(read_answer(tcp.answer).truncated);
    CHECK(read_answer(tcp.answer).records.size() == 204);

    responder.snapshot = mesh(10);
    responder.zone.snapshot = responder.snapshot.get();
    CHECK(responder.ask("_api._tcp.mesh", srv).truncated); // 512 bytes without EDNS
    CHECK_FALSE(responder.ask("_api._tcp.mesh", srv, {.edns_size = 1232}).truncated);
}

TEST_CASE("a service with more instances than fit still gets an answer over TCP") {
    Responder responder;
    responder.snapshot = mesh(3000);
    responder.zone.snapshot = responder.snapshot.get();
    const DnsDecision decision = responder.decide(query("_api._tcp.mesh", srv), false);
    CHECK(decision.answer.size() <= 65'535);
    CHECK(read_answer(decision.answer).records.size() >= 400);
}

TEST_CASE("before the mesh is known its names fail, so that nobody remembers them as missing") {
    const DnsZone zone;
    const std::string ours = query("api.mesh", a), other = query("example.com", a);
    const DnsDecision decision = decide(as_bytes(ours), zone, true);
    CHECK(decision.result == DnsResult::failed);
    CHECK(read_answer(decision.answer).rcode == 2);
    CHECK(decide(as_bytes(other), zone, true).action == DnsAction::forward);
}

TEST_CASE("queries that ask for what we don't do are refused") {
    const Responder responder;
    CHECK(responder.ask("api.mesh", 252).rcode == 5);                    // AXFR
    CHECK(responder.ask("example.com", 251).rcode == 5);                 // IXFR
    CHECK(responder.ask("api.mesh", a, {.class_ = 3}).rcode == 5);       // CHAOS
    CHECK(responder.ask("api.mesh", a, {.flags = 5U << 11}).rcode == 4); // UPDATE
}

TEST_CASE("malformed queries get FORMERR, or nothing when there is nothing to answer") {
    const Responder responder;
    const std::string good = query("api.mesh", a, {.edns_size = 1232});
    for (std::size_t length = 0; length < good.size(); ++length) {
        CAPTURE(length);
        const DnsDecision decision = responder.decide(good.substr(0, length));
        if (length < 12) {
            CHECK(decision.action == DnsAction::drop);
        } else {
            REQUIRE(decision.action == DnsAction::answer);
            CHECK(read_answer(decision.answer).rcode == 1);
        }
    }
    CHECK(responder.decide(query("api.mesh", a, {.flags = 0x8100})).action == DnsAction::drop);
    std::string two = good;
    two[5] = 2;
    CHECK(responder.decide(two).result == DnsResult::malformed);
    std::string compressed = good;
    compressed[12] = static_cast<char>(0xc0);
    CHECK(responder.decide(compressed).result == DnsResult::malformed);
    std::string name;
    for (int i = 0; i < 60; ++i) name += "aaaaa.";
    CHECK(responder.decide(query(name + "mesh", a)).result == DnsResult::malformed);
}

TEST_CASE("damaged queries never do harm, and every answer answers its query") {
    const Responder responder;
    Random random(42);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes = query(round % 2 == 0 ? "_api._tcp.mesh" : "web-1.node.mesh",
                                  static_cast<unsigned>(random.below(40)), {.edns_size = 1232});
        for (std::uint64_t hits = random.below(4); hits > 0; --hits)
            bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
        if (random.below(8) == 0) bytes.resize(random.below(bytes.size()));
        const DnsDecision decision = responder.decide(bytes);
        if (decision.action != DnsAction::answer) continue;
        REQUIRE(decision.answer.size() <= limits::dns_udp_answer_bytes + 0U);
        REQUIRE(dns_id(as_bytes(decision.answer)) == dns_id(as_bytes(bytes)));
        if (decision.result != DnsResult::malformed)
            REQUIRE(answers(as_bytes(decision.answer), as_bytes(bytes)));
    }
}

TEST_CASE("an upstream's answer is checked against the query") {
    const std::string asked = query("example.com", a);
    const std::string good = upstream_answer(asked, 0, 0x01020304);
    CHECK(answers(as_bytes(good), as_bytes(asked)));
    CHECK(answers(as_bytes(upstream_answer(query("EXAMPLE.com", a), 0, 0)), as_bytes(asked)));
    std::string other_id = good;
    set_dns_id(other_id, 0x4321);
    CHECK_FALSE(answers(as_bytes(other_id), as_bytes(asked)));
    CHECK_FALSE(answers(as_bytes(asked), as_bytes(asked)));
    CHECK_FALSE(answers(as_bytes(upstream_answer(query("example.org", a), 0, 0)), as_bytes(asked)));
    CHECK_FALSE(
        answers(as_bytes(upstream_answer(query("example.com", aaaa), 0, 0)), as_bytes(asked)));
    CHECK_FALSE(answers(as_bytes(""), as_bytes(asked)));
}
