// What becomes of open connections when the mesh changes, on both sides of a tunnel.
#include "proxy/enforcement.h"

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/write.hpp>

#include "io/clock.h"
#include "io/socket.h"
#include "proxy/hosts.h"
#include "proxy/inbound.h"

using namespace hawser;
using namespace hawser::proxy;
using namespace hawser::proxy::test;
using namespace std::chrono_literals;
using model::IdentityKind;
using telemetry::Metric;

namespace {

constexpr std::uint64_t web_joined = 1'000;

model::Quarantine quarantine(IdentityKind kind, const std::string& subject) {
    model::Quarantine made;
    made.subject_kind = kind;
    made.subject = subject;
    return made;
}

// web on web-1 has a connection to api on api-1, whose application says nothing.
struct Call {
    TestLoop loop;
    std::list<io::Socket> taken;
    Listener application{loop, [this](io::Socket socket) { taken.push_back(std::move(socket)); }};
    Host web{loop, "web-1"};
    Host api{loop, "api-1"};
    MeshRows rows;
    io::Socket program{loop.executor()}; // web's
    std::unique_ptr<End> at_web, at_api;

    explicit Call(Duration certificate_lifetime = 1h) {
        web.certify(web_joined, certificate_lifetime);
        rows.add("api-1", api.listen());
        rows.nodes.push_back({.name = "web-1",
                              .zone = {},
                              .tunnel = {},
                              .version = {},
                              .allowed_services = {"web"},
                              .alive = true,
                              .joined_at = static_cast<WallTime>(web_joined)});
        rows.allow("web");
        everybody_knows();
        open();
    }
    ~Call() {
        at_web.reset();
        at_api.reset();
    }
    void web_knows() { web.know(rows); }
    void api_knows() { api.know(rows, application.endpoint()); }
    void everybody_knows() {
        web_knows();
        api_knows();
    }
    void open() {
        at_web.reset();
        at_api.reset();
        taken.clear();
        program = web.call();
        REQUIRE(loop.until([&] {
            return taken.size() == 1 && api.context.relays.size() == 1 &&
                   web.context.relays.size() == 1;
        }));
        at_web = std::make_unique<End>(loop, program);
        at_api = std::make_unique<End>(loop, taken.front());
    }
    // Both applications see a reset.
    void check_cut(const std::string& flag) {
        REQUIRE(loop.until([&] { return at_web->error && at_api->error; }));
        CHECK(*at_web->error == asio::error::connection_reset);
        CHECK(*at_api->error == asio::error::connection_reset);
        REQUIRE(
            loop.until([&] { return web.context.relays.empty() && api.context.relays.empty(); }));
        CHECK(closed(web, "source", flag) == 1);
        CHECK(closed(api, "destination", flag) == 1);
    }
    void check_open() {
        const std::size_t before = at_api->received.size();
        (void)asio::write(program, asio::buffer("x", 1));
        CHECK(loop.until([&] { return at_api->received.size() == before + 1; }));
        CHECK_FALSE(at_web->error);
    }
    // A new call's end, as its program sees it.
    void check_refused(const std::string& flag) {
        const auto before = web.counted(Metric::connections_refused, {flag});
        auto refused = web.call();
        const End end(loop, refused);
        REQUIRE(loop.until([&] { return end.error.has_value(); }));
        CHECK(*end.error == asio::error::connection_reset);
        CHECK(web.counted(Metric::connections_refused, {flag}) == before + 1);
    }
    static std::uint64_t closed(Host& host, std::string_view reporter, std::string_view flag) {
        return host.metrics
            .connection({.reporter = reporter,
                         .source_workload = "web",
                         .source_principal = "spiffe://hawser.local/svc/web",
                         .destination_service = "api.mesh",
                         .destination_workload = "api",
                         .destination_principal = "spiffe://hawser.local/svc/api",
                         .response_flags = flag,
                         .connection_security_policy = "mutual_tls"})
            .closed->value;
    }
    static std::uint64_t cut(Host& host, std::string_view flag) {
        return host.counted(Metric::connections_cut, {flag});
    }
};

} // namespace

TEST_CASE("what is still allowed does not notice a change") {
    Call call;
    call.rows.policies.front().name = "another-name";
    call.rows.policies.push_back(
        {.name = "no-batch", .service = "api", .action = model::Effect::deny, .from = {"batch"}});
    call.rows.policies.push_back({.name = "maybe-later",
                                  .service = "api",
                                  .action = model::Effect::deny,
                                  .mode = model::PolicyMode::shadow,
                                  .from = {"web"}});
    call.rows.instances.front().health = model::Health::critical;
    call.rows.instances.front().weight = 0;
    call.rows.nodes.front().alive = false;
    call.rows.quarantines = {quarantine(IdentityKind::node, "batch-1"),
                             quarantine(IdentityKind::service, "batch")};
    call.everybody_knows();
    call.check_open();
    CHECK(Call::cut(call.web, "RBAC") + Call::cut(call.api, "RBAC") == 0);
}

TEST_CASE("a policy that ends cuts what it let in, and the caller's agent hears why") {
    Call call;
    call.rows.policies.clear();
    call.api_knows();
    call.check_cut("RBAC");
    CHECK(Call::cut(call.api, "RBAC") == 1);
    CHECK(Call::cut(call.web, "RBAC") == 0);
    // The tunnel is for others too.
    CHECK(call.api.context.inbound_tunnels.size() == 1);
}

TEST_CASE("the caller's agent cuts what policies no longer let in, too") {
    Call call;
    call.rows.policies.push_back(
        {.name = "no-web", .service = "api", .action = model::Effect::deny, .from = {"web"}});
    call.web_knows();
    call.check_cut("RBAC");
    CHECK(Call::cut(call.web, "RBAC") == 1);
}

TEST_CASE("the caller's agent does not cut what the other let in by a newer policy") {
    Call call;
    const auto policies = std::exchange(call.rows.policies, {});
    call.web_knows();
    call.check_cut("RBAC");
    call.open(); // by the destination's word
    call.web_knows();
    call.check_open();
    call.rows.policies = policies;
    call.web_knows();
    call.check_open();
    call.rows.policies.clear();
    call.web_knows();
    REQUIRE(call.loop.until([&] { return call.at_web->error.has_value(); }));
}

TEST_CASE("a service's default policy is a policy") {
    Call call;
    call.rows.policies.clear();
    call.rows.api.default_policy = model::Effect::allow;
    call.everybody_knows();
    call.check_open();
    call.rows.api.default_policy = model::Effect::deny;
    call.api_knows();
    call.check_cut("RBAC");
}

TEST_CASE("a node in quarantine is cut off by others, and let in again afterwards") {
    Call call;
    call.rows.quarantines = {quarantine(IdentityKind::node, "web-1")};
    call.api_knows();
    call.check_cut("HQ");
    CHECK(call.loop.until([&] { return call.api.context.inbound_tunnels.empty(); }));
    call.check_refused("HQ");
    call.rows.quarantines.clear();
    call.api_knows();
    call.open();
    call.check_open();
}

TEST_CASE("a node in quarantine carries nothing itself") {
    Call call;
    call.rows.quarantines = {quarantine(IdentityKind::node, "web-1")};
    call.web_knows();
    call.check_cut("HQ");
    CHECK(call.loop.until([&] { return call.web.context.pool.size() == 0; }));
    call.check_refused("HQ");
    CHECK(call.api.counted(Metric::connections_refused, {"HQ"}) == 0);
}

TEST_CASE("callers leave a node in quarantine") {
    Call call;
    call.rows.quarantines = {quarantine(IdentityKind::node, "api-1")};
    call.web_knows();
    call.check_cut("HQ");
    CHECK(call.loop.until([&] { return call.web.context.pool.size() == 0; }));
    call.check_refused("UH");
}

TEST_CASE("a service in quarantine neither calls nor is called, on whichever side that is known") {
    for (const std::string service : {"web", "api"}) {
        for (const bool at_caller : {true, false}) {
            Call call;
            call.rows.quarantines = {quarantine(IdentityKind::service, service)};
            at_caller ? call.web_knows() : call.api_knows();
            call.check_cut("HQ");
            call.check_refused("HQ");
        }
    }
}

TEST_CASE("the connections of a deleted node are cut") {
    Call call;
    call.rows.nodes.pop_back(); // web-1
    model::Node later = call.rows.nodes.front();
    call.rows.nodes.front().joined_at = static_cast<WallTime>(web_joined) + 1;
    call.api_knows();
    call.check_cut("HD");
    CHECK(call.loop.until([&] { return call.api.context.inbound_tunnels.empty(); }));
    call.check_refused("HD");
}

TEST_CASE("the connections to an instance that is gone are cut") {
    Call call;
    call.rows.instances.clear();
    call.web_knows();
    call.check_cut("HD");
}

TEST_CASE("the connections of a service that is gone are cut") {
    Call call;
    call.rows.api.name = "another";
    call.web_knows();
    call.check_cut("NR");
}

TEST_CASE("connections end with the service that this host no longer has") {
    SUBCASE("the caller's") {
        Call call;
        call.web.speaks_as_web = false;
        call.web_knows();
        call.check_cut("HD");
    }
    SUBCASE("the instance's") {
        Call call;
        call.api.know(call.rows);
        call.check_cut("HD");
    }
}

TEST_CASE("a view that comes while a call is being set up counts") {
    Call call;
    call.program = call.web.call();
    REQUIRE(call.loop.until([&] { return !call.api.context.inbound_tunnels.empty(); }));
    call.rows.policies.clear();
    call.everybody_knows();
    const End end(call.loop, call.program);
    CHECK(call.loop.until([&] { return end.error.has_value(); }));
    REQUIRE(call.loop.until([&] { return call.api.context.relays.empty(); }));
}

TEST_CASE("a view is in force when all that is open was judged by it; the rest of the work waits") {
    Call call;
    constexpr std::size_t count = 400;
    std::vector<io::Socket> sockets;
    for (std::size_t i = 1; i < count; ++i) sockets.push_back(call.web.call());
    REQUIRE(call.loop.until([&] { return call.web.context.relays.size() == count; }));
    // Many sources to compare with, so that a slice is too short for them all.
    for (int policy = 0; policy < 200; ++policy) {
        model::Policy& made = call.rows.policies.emplace_back(call.rows.policies.front());
        made.name = "policy-" + std::to_string(policy);
        made.action = model::Effect::deny;
        made.from.assign(limits::sources_per_policy, "nobody-" + std::to_string(policy));
    }
    call.web_knows();
    bool in_force = false;
    const std::uint64_t number = call.web.context.view_number + 1;
    use_view(call.web.context, call.web.context.view, [&] { in_force = true; });
    CHECK_FALSE(in_force);
    CHECK(call.web.context.judging);
    // Another one in the middle of it does not begin the work anew for the first.
    bool both = false;
    use_view(call.web.context, call.web.context.view, [&] { both = true; });
    CHECK(call.loop.until([&] { return in_force; }));
    for (const LiveRelay& relay : call.web.context.relays) CHECK(relay.record->judged_by >= number);
    CHECK(call.loop.until([&] { return both; }));
    CHECK(call.loop.until([&] { return !call.web.context.judging; }));
    CHECK(call.web.context.relays.size() == count);
}

TEST_CASE("a connection outlives its tunnel's certificates as long as there are newer ones") {
    Call call(30min);
    constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();
    const auto expired = io::wall_now() + std::chrono::milliseconds(30min).count() + skew + 1'000;
    // The tunnel retires before its certificate ends; while that is not renewed nothing is won.
    call.web.context.pool.tick(*call.web.context.view, expired);
    CHECK(call.web.counted(Metric::tunnel_handshakes, {"client", "ok"}) == 1);
    call.web.certify(web_joined, 1h);
    call.web_knows();
    call.web.context.pool.tick(*call.web.context.view, expired + 10'000);
    REQUIRE(call.loop.until([&] {
        return call.web.counted(Metric::tunnel_handshakes, {"client", "ok"}) == 2 &&
               call.api.counted(Metric::tunnel_handshakes, {"server", "ok"}) == 2;
    }));
    for (Host* host : {&call.web, &call.api}) cut_unproven(host->context, expired);
    call.check_open();
    call.open();
    call.check_open(); // on the newer tunnel
    CHECK(call.web.counted(Metric::tunnel_handshakes, {"client", "ok"}) == 2);
}

TEST_CASE("a connection does not outlive certificates that are not renewed") {
    Call call(30min);
    constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();
    const auto expired = io::wall_now() + std::chrono::milliseconds(30min).count() + skew;
    cut_unproven(call.api.context, expired - 60'000);
    call.check_open();
    cut_unproven(call.api.context, expired + 1'000);
    call.check_cut("HX");
    CHECK(Call::cut(call.api, "HX") == 1);
}
