// The calling side: how long a caller waits, how many may call, and where their calls go.
#include "proxy/outbound.h"

#include <algorithm>
#include <asio/error.hpp>

#include "proxy/hosts.h"
#include "proxy/tunnel_protocol.h"

using namespace hawser;
using namespace hawser::proxy;
using namespace hawser::proxy::test;
using namespace std::chrono_literals;

namespace {

std::uint64_t overloads(Host& host) {
    return host.counted(telemetry::Metric::connections_refused, {"UO"});
}

// Of the calls to api, how many have been sent to each instance and are not over.
std::vector<std::uint32_t> open_calls(Host& host) {
    std::vector<std::uint32_t> counts;
    for (const auto& [instance, open] : host.context.loads.of("api").by_instance)
        counts.push_back(open);
    return counts;
}

} // namespace

TEST_CASE("a call counts against the limit before its instance has answered") {
    TestLoop loop;
    FarAgent api(loop, "api-1"); // takes calls and says nothing
    MeshRows rows;
    rows.api.max_connections = 1;
    rows.add("api-1", api.endpoint());
    Host web(loop, "web-1");
    web.know(rows);
    const auto first = web.call();
    REQUIRE(loop.until([&] { return api.requests() == 1; }));

    auto second = web.call();
    const End end(loop, second);
    REQUIRE(loop.until([&] { return end.error.has_value(); }));
    CHECK(*end.error == asio::error::connection_reset);
    CHECK(overloads(web) == 1);
    CHECK(api.requests() == 1);
}

TEST_CASE("a limit is the host's: other workers' connections count") {
    TestLoop loop;
    FarAgent api(loop, "api-1");
    MeshRows rows;
    rows.api.max_connections = 3;
    rows.add("api-1", api.endpoint());
    Host web(loop, "web-1");
    web.options.count = 4; // whose parts of 3 would be 1
    web.know(rows);
    ServiceLoads of_another_worker(web.options.service_counts);
    std::optional<LoadShare> its_connection(std::in_place, of_another_worker, "api");
    const auto one = web.call(), two = web.call();
    REQUIRE(loop.until([&] { return api.requests() == 2; }));
    auto refused = web.call();
    const End end(loop, refused);
    REQUIRE(loop.until([&] { return end.error.has_value(); }));
    CHECK(overloads(web) == 1);
    its_connection.reset();
    const auto three = web.call();
    CHECK(loop.until([&] { return api.requests() == 3; }));
}

TEST_CASE("a burst of calls is spread before the first of them is answered") {
    TestLoop loop;
    FarAgent one(loop, "api-1"), two(loop, "api-2");
    MeshRows rows;
    rows.add("api-1", one.endpoint());
    rows.add("api-2", two.endpoint());
    Host web(loop, "web-1");
    web.know(rows);
    std::vector<io::Socket> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(web.call());
    REQUIRE(loop.until([&] { return one.requests() + two.requests() == 20; }));
    const auto counts = open_calls(web);
    REQUIRE(counts.size() == 2);
    CHECK(counts[0] + counts[1] == 20);
    CHECK(std::max(counts[0], counts[1]) <= 12); // two choices keep it level
}

TEST_CASE("a call leaves no count behind, taken or not") {
    TestLoop loop;
    FarAgent api(loop, "api-1");
    api.when_request = [](TestStream& stream) {
        stream.connection->respond(
            stream.id, connect_refused(traffic::Flag::upstream_connect_failure, "closed"), true);
    };
    MeshRows rows;
    rows.add("api-1", api.endpoint());
    Host web(loop, "web-1");
    web.know(rows);
    auto call = web.call();
    const End end(loop, call);
    REQUIRE(loop.until([&] { return end.error.has_value(); }));
    CHECK(loop.until([&] { return web.context.connections == 0; }));
    CHECK(open_calls(web).empty());
    CHECK(web.context.loads.of("api").open_connections == 0);
    CHECK(*web.context.loads.of("api").on_host == 0);
}

TEST_CASE("a refused call's stream ends in order, not with a reset") {
    TestLoop loop;
    FarAgent api(loop, "api-1");
    api.when_request = [](TestStream& stream) {
        stream.connection->respond(
            stream.id, connect_refused(traffic::Flag::policy_denied, "no policy"), true);
    };
    MeshRows rows;
    rows.add("api-1", api.endpoint());
    Host web(loop, "web-1");
    web.know(rows);
    auto call = web.call();
    const End end(loop, call);
    REQUIRE(loop.until([&] { return end.error.has_value(); }));
    CHECK(*end.error == asio::error::connection_reset); // the program's connection is reset
    REQUIRE(api.requests() == 1);
    const TestStream& stream = *api.tunnels.front()->streams.begin()->second;
    REQUIRE(loop.until([&] { return stream.closed.has_value(); }));
    CHECK(stream.ended);
    CHECK(*stream.closed == http::H2Code::no_error);
}

TEST_CASE("a call that went nowhere is not said to have gone by mutual TLS") {
    TestLoop loop;
    Host web(loop, "web-1");
    web.know(MeshRows{});
    auto call = web.call();
    const End end(loop, call);
    REQUIRE(loop.until([&] { return end.error.has_value(); }));
    CHECK(web.opened("source", "none", "UH") == 1);
}

TEST_CASE("all attempts together have the service's connect timeout") {
    TestLoop loop;
    std::list<FarAgent> silent;
    MeshRows rows;
    rows.api.connect_timeout = Duration{500};
    for (const char* name : {"api-1", "api-2", "api-3"})
        rows.add(name, silent.emplace_back(loop, name).endpoint());
    Host web(loop, "web-1");
    web.know(rows);
    const auto began = std::chrono::steady_clock::now();
    auto call = web.call();
    const End end(loop, call);
    REQUIRE(loop.until([&] { return end.error.has_value(); }));
    const auto took = std::chrono::steady_clock::now() - began;
    CHECK(took < 2 * (rows.api.connect_timeout + answer_margin));
    for (const FarAgent& each : silent) CHECK(each.requests() == 1); // none took it all
}

TEST_CASE("a tunnel is never opened with another service's identity") {
    TestLoop loop;
    FarAgent api(loop, "api-1");
    MeshRows rows;
    rows.add("api-1", api.endpoint());
    Host web(loop, "web-1");
    web.know(rows);
    // As if the agent had mixed them up.
    auto view = std::make_shared<View>(*web.context.view);
    const auto use = [&](const std::string& key, tls::CredentialsPtr credentials) {
        view->service_credentials[key] = std::move(credentials);
        web.context.view = std::make_shared<View>(*view);
    };
    const tls::CredentialsPtr own = view->service_credentials.at("web");
    for (const tls::CredentialsPtr& wrong :
         {hawser::test::credentials_of("admin"), view->node_credentials}) {
        use("web", wrong);
        auto call = web.call();
        const End end(loop, call);
        REQUIRE(loop.until([&] { return end.error.has_value(); }));
        CHECK(api.tunnels.empty());
    }
    use("web", own);
    const auto call = web.call();
    CHECK(loop.until([&] { return api.requests() == 1; }));
}
