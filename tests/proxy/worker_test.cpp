// A whole worker on its own thread.
#include "proxy/worker.h"

#include <asio/buffer.hpp>
#include <asio/write.hpp>
#include <thread>

#include "proxy/hosts.h"
#include "proxy/tunnel_protocol.h"

using namespace hawser;
using namespace hawser::proxy;
using namespace hawser::proxy::test;
using namespace std::chrono_literals;

TEST_CASE("a call that is under way when the worker stops is carried to its end") {
    TestLoop loop;
    FarAgent api(loop, "api-1");
    std::optional<http::StreamId> asked;
    api.when_request = [&](TestStream& stream) { asked = stream.id; };
    MeshRows rows;
    rows.add("api-1", api.endpoint());
    Host web(loop, "web-1"); // for its view
    web.know(rows);

    telemetry::WorkerMetrics metrics;
    const auto log = telemetry::AccessLog::none();
    const Endpoint any_port = Endpoint::parse("127.0.0.1:0").value();
    Worker worker({.tunnel = any_port,
                   .upstreams = {{.source = "web", .destination = "api", .listen = any_port}},
                   .reuse_port = false},
                  metrics, *log);
    REQUIRE(worker.listen().has_value());
    worker.start(web.context.view);

    const Endpoint listener = worker.options().upstreams.front().listen;
    io::Socket call = value_of(loop.run(io::connect_tcp(loop.executor(), listener)));
    const End end(loop, call);
    REQUIRE(loop.until([&] { return asked.has_value(); }));
    bool stopped = false;
    std::thread stopping([&] {
        worker.stop(20s);
        loop.loop().post([&] { stopped = true; });
    });
    // It has said that it takes no more, and still waits for this answer.
    TestEnd& tunnel = *api.tunnels.front();
    const bool told = loop.until([&] { return tunnel.goaways > 0; });
    tunnel.connection->respond(*asked, connect_accepted());
    (void)tunnel.connection->write(*asked, as_bytes("served"));
    tunnel.connection->finish(*asked);
    const bool served = loop.until([&] { return end.error.has_value(); });
    std::error_code ignored;
    call.shutdown(io::Socket::shutdown_both, ignored);
    const bool ended = loop.until([&] { return stopped; }, 30s);
    stopping.join();
    CHECK(told);
    CHECK(served);
    CHECK(end.received == "served");
    CHECK(ended);
}
