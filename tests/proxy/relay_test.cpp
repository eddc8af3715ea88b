#include "proxy/relay.h"

#include "proxy/road.h"

using namespace hawser;
using namespace hawser::proxy;
using namespace hawser::proxy::test;

TEST_CASE("bytes go both ways and are counted") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        CHECK(co_await send_all(road->app_a, "ping"));
        CHECK(co_await receive(road->app_b, 4) == "ping");
        CHECK(co_await send_all(road->app_b, "pong!"));
        CHECK(co_await receive(road->app_a, 5) == "pong!");
        CHECK(road->relay_a->bytes().sent == 4);
        CHECK(road->relay_a->bytes().received == 5);
        CHECK(road->relay_b->bytes().sent == 5);
        CHECK(road->relay_b->bytes().received == 4);
        co_await road->end();
    });
}

TEST_CASE("a half-closed direction ends there and the other goes on") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        CHECK(co_await send_all(road->app_a, "request"));
        road->app_a.shutdown(io::Socket::shutdown_send);
        CHECK(co_await receive(road->app_b, 100) == "request");
        CHECK(co_await send_all(road->app_b, "answer after the end"));
        io::close(road->app_b);
        CHECK(co_await receive(road->app_a, 100) == "answer after the end");
        io::close(road->app_a);
        co_await road->relays_ended();
        CHECK(road->end_a == RelayEnd::clean);
        CHECK(road->end_b == RelayEnd::clean);
        co_await road->end();
    });
}

TEST_CASE("a reset by the caller resets the instance's connection") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        io::reset_on_close(road->app_a);
        io::close(road->app_a);
        CHECK(co_await end_of(road->app_b) == asio::error::connection_reset);
        co_await road->relays_ended();
        CHECK(road->end_a == RelayEnd::socket_reset);
        CHECK(road->end_b == RelayEnd::stream_reset);
        co_await road->end();
    });
}

TEST_CASE("a reset by the instance resets the caller's connection") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        io::reset_on_close(road->app_b);
        io::close(road->app_b);
        CHECK(co_await end_of(road->app_a) == asio::error::connection_reset);
        co_await road->relays_ended();
        CHECK(road->end_b == RelayEnd::socket_reset);
        CHECK(road->end_a == RelayEnd::stream_reset);
        co_await road->end();
    });
}

TEST_CASE("a broken tunnel resets both applications") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        road->server->abort();
        CHECK(co_await end_of(road->app_a) == asio::error::connection_reset);
        CHECK(co_await end_of(road->app_b) == asio::error::connection_reset);
        co_await road->relays_ended();
        co_await road->end();
    });
}

TEST_CASE("a large transfer arrives whole, also through a slow reader") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        const std::string data = pattern(24 << 20);
        io::TaskGroup sending(loop.executor());
        sending.spawn([](Road& r, std::string d) -> io::Task<void> {
            CHECK(co_await send_all(r.app_a, std::move(d)));
            r.app_a.shutdown(io::Socket::shutdown_send);
        }(*road, data));
        // One byte at a time at first, so that everything on the way fills up.
        std::string received = co_await receive(road->app_b, 1);
        for (int i = 0; i < 100; ++i)
            co_await asio::post(loop.executor(), asio::use_awaitable_t<io::Executor>{});
        received += co_await receive(road->app_b, data.size() + 1);
        CHECK(received == data);
        co_await sending.join();
        co_await road->end();
    });
}

TEST_CASE("a reader that stops holds the writer back: nothing is buffered without end") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        // Writes until nothing moves any more, anywhere.
        const std::string chunk = pattern(64 << 10);
        std::uint64_t taken = 0;
        std::uint64_t relayed = 0;
        for (int still = 0; still < 50;) {
            const ssize_t count = ::send(road->app_a.native_handle(), chunk.data(), chunk.size(),
                                         MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count > 0) taken += static_cast<std::uint64_t>(count);
            const bool moved = count > 0 || road->relay_a->bytes().sent != relayed;
            relayed = road->relay_a->bytes().sent;
            still = moved ? 0 : still + 1;
            co_await io::sleep(std::chrono::milliseconds(2));
        }
        const std::uint64_t in_hawser =
            road->relay_a->bytes().sent - road->relay_b->bytes().received;
        CHECK(in_hawser <= 2 * static_cast<std::uint64_t>(limits::tunnel_stream_window));
        // And it all comes out once the reader goes on.
        road->app_a.shutdown(io::Socket::shutdown_send);
        CHECK((co_await receive(road->app_b, taken + 1)).size() == taken);
        co_await road->end();
    });
}

TEST_CASE("a relay is cut: both applications are reset") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        CHECK(co_await send_all(road->app_a, "x"));
        CHECK(co_await receive(road->app_b, 1) == "x");
        road->relay_a->cut(http::H2Code::cancel);
        CHECK(co_await end_of(road->app_a) == asio::error::connection_reset);
        CHECK(co_await end_of(road->app_b) == asio::error::connection_reset);
        co_await road->relays_ended();
        CHECK(road->end_a == RelayEnd::cut);
        CHECK(road->end_b == RelayEnd::stream_reset);
        co_await road->end();
    });
}

TEST_CASE("many small messages keep their order") {
    run_to_end([](io::Loop& loop) -> io::Task<void> {
        auto road = co_await Road::build(loop.executor());
        co_await road->run();
        for (int i = 0; i < 500; ++i) {
            const std::string message = std::to_string(i) + std::string(i * 7 % 2100, '.');
            CHECK(co_await send_all(road->app_a, message));
            CHECK(co_await receive(road->app_b, message.size()) == message);
        }
        co_await road->end();
    });
}
