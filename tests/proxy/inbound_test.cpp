// The receiving side, called by the real calling side over one tunnel.
#include "proxy/inbound.h"

#include <asio/error.hpp>

#include "io/socket.h"
#include "proxy/hosts.h"

using namespace hawser;
using namespace hawser::proxy;
using namespace hawser::proxy::test;
using telemetry::Metric;

namespace {

// web-1 calls api on api-1, whose application hangs up on everybody.
struct TwoHosts {
    TestLoop loop;
    Listener application{loop, [](const io::Socket&) {}};
    Host web{loop, "web-1"};
    Host api{loop, "api-1"};
    bool allowed;

    explicit TwoHosts(bool let_in) : allowed(let_in) { know(api.listen()); }
    void know(const Endpoint& tunnels) {
        MeshRows rows;
        rows.add("api-1", tunnels);
        if (allowed) rows.allow("web");
        web.know(rows);
        api.know(rows, application.endpoint());
    }
    std::error_code call() {
        auto socket = web.call();
        const End end(loop, socket);
        REQUIRE(loop.until([&] { return end.error.has_value(); }));
        return *end.error;
    }
};

} // namespace

TEST_CASE("a caller that is denied again and again does not cost its host the tunnel") {
    TwoHosts hosts(false);
    constexpr int calls = 6'000; // more than a tunnel's allowances of resets and of chatter
    for (int i = 0; i < calls; ++i) REQUIRE(hosts.call() == asio::error::connection_reset);
    CHECK(hosts.web.counted(Metric::connections_refused, {"RBAC"}) == calls);
    CHECK(hosts.api.counted(Metric::connections_refused, {"RBAC"}) == calls);
    CHECK(hosts.web.counted(Metric::tunnel_handshakes, {"client", "ok"}) == 1);
}

TEST_CASE("a caller that is let in reaches the application") {
    TwoHosts hosts(true);
    CHECK(hosts.call() == asio::error::eof);
    CHECK(hosts.web.opened("source", "mutual_tls") == 1);
    CHECK(hosts.api.opened("destination", "mutual_tls") == 1);
    CHECK(hosts.web.counted(Metric::tunnel_streams, {"client"}) == 1);
    CHECK(hosts.api.counted(Metric::tunnel_streams, {"server"}) == 1);
}

TEST_CASE("strangers who say nothing do not keep a host out") {
    TwoHosts hosts(true);
    const Endpoint tunnels = hosts.api.listen();
    std::vector<io::Socket> silent;
    for (std::size_t i = 0; i < Handshakes::most; ++i)
        silent.push_back(value_of(hosts.loop.run(io::connect_tcp(hosts.loop.executor(), tunnels))));
    REQUIRE(
        hosts.loop.until([&] { return hosts.api.context.handshakes.size() == Handshakes::most; }));
    const End first(hosts.loop, silent.front()), second(hosts.loop, silent[1]);
    hosts.know(tunnels);
    CHECK(hosts.call() == asio::error::eof);
    CHECK(hosts.loop.until([&] { return first.error.has_value(); })); // it made room
    CHECK_FALSE(second.error);
}

TEST_CASE("a tunnel takes no calls after its caller's certificate has expired") {
    TwoHosts hosts(true);
    CHECK(hosts.call() == asio::error::eof);
    const WallTime expiry = hosts.api.context.inbound_tunnels.front().connection->peer()->not_after;
    end_expired_tunnels(hosts.api.context, expiry);
    CHECK(hosts.call() == asio::error::eof);
    CHECK(hosts.web.counted(Metric::tunnel_handshakes, {"client", "ok"}) == 1);
    end_expired_tunnels(hosts.api.context,
                        expiry + std::chrono::milliseconds(limits::clock_skew).count() + 1);
    CHECK(hosts.loop.until([&] { return hosts.api.context.inbound_tunnels.empty(); }));
    CHECK(hosts.call() == asio::error::eof); // on another tunnel, with a certificate that is valid
    CHECK(hosts.web.counted(Metric::tunnel_handshakes, {"client", "ok"}) == 2);
}
