// The receiving side, called by the real calling side over one tunnel.
#include "proxy/inbound.h"

#include <asio/error.hpp>

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

    explicit TwoHosts(bool allowed) {
        MeshRows rows;
        rows.add("api-1", api.listen());
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
    CHECK(hosts.web.counted(Metric::tunnel_streams, {"client"}) == 1);
    CHECK(hosts.api.counted(Metric::tunnel_streams, {"server"}) == 1);
}
