// Two relays joined by a real HTTP/2 connection over a socket pair, with applications at both ends:
//
//   app_a ⇄ relay_a ⇄ stream ⇄ relay_b ⇄ app_b
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/write.hpp>
#include <functional>
#include <memory>

#include "io/socket.h"
#include "io/task_group.h"
#include "proxy/relay.h"
#include "proxy/tunnel_protocol.h"

namespace hawser::proxy::test {

inline constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});
inline constexpr std::chrono::milliseconds patience{20'000};

// Runs `task` on a loop of its own to its end; fails the test if that takes too long.
inline void run_to_end(std::function<io::Task<void>(io::Loop&)> task) {
    io::Loop loop("test");
    bool ended = false;
    std::exception_ptr thrown;
    asio::co_spawn(loop.context(), task(loop), [&](std::exception_ptr error) {
        thrown = std::move(error);
        ended = true;
        loop.stop();
    });
    io::Timer watchdog(loop.executor(), patience);
    watchdog.async_wait([&](const std::error_code& error) {
        if (!error) loop.stop();
    });
    loop.run();
    if (thrown) std::rethrow_exception(thrown);
    REQUIRE_MESSAGE(ended, "the test did not end in time");
}

struct SocketPair {
    io::Socket near;
    io::Socket far;
};

inline io::Task<SocketPair> tcp_pair(io::Executor executor) {
    auto acceptor = io::listen_tcp(executor, Endpoint::parse("127.0.0.1:0").value());
    REQUIRE(acceptor.has_value());
    const auto endpoint = io::local_endpoint(acceptor->native_handle()).value();
    auto near = co_await io::connect_tcp(executor, endpoint);
    auto far = co_await io::accept(*acceptor);
    REQUIRE(near.has_value());
    REQUIRE(far.has_value());
    co_return SocketPair{std::move(*near), std::move(*far)};
}

class Road final : public http::ConnectionHandler {
  public:
    static io::Task<std::unique_ptr<Road>> build(io::Executor executor) {
        auto wire = co_await tcp_pair(executor);
        auto a = co_await tcp_pair(executor);
        auto b = co_await tcp_pair(executor);
        std::unique_ptr<Road> road(new Road(executor, std::move(wire), std::move(a), std::move(b)));
        co_await road->connect();
        co_return road;
    }

    // Ends the tunnel's tasks: before the road goes.
    io::Task<void> end() {
        tasks_.cancel();
        co_await tasks_.join();
    }
    // Both relays to their ends.
    io::Task<void> run() {
        tasks_.spawn(run_relay(*relay_a, end_a));
        tasks_.spawn(run_relay(*relay_b, end_b));
        co_return;
    }
    io::Task<void> relays_ended() {
        while (!end_a || !end_b) co_await ended_.wait();
    }

    http::StreamHandler* on_request(http::StreamId stream, http::Headers headers) override {
        REQUIRE(parse_connect_request(headers).has_value());
        relay_b->attach(*server, stream);
        stream_b = stream;
        requested_.notify();
        return relay_b.get();
    }

    io::Socket app_a, app_b;
    std::unique_ptr<http::H2Connection> client, server;
    std::unique_ptr<Relay> relay_a, relay_b;
    http::StreamId stream_b = 0;
    std::optional<RelayEnd> end_a, end_b;

  private:
    Road(io::Executor executor, SocketPair wire, SocketPair a, SocketPair b)
        : app_a(std::move(a.near)),
          app_b(std::move(b.near)),
          relay_a(std::make_unique<Relay>(executor)),
          relay_b(std::make_unique<Relay>(executor)),
          socket_a_(std::move(a.far)),
          socket_b_(std::move(b.far)),
          tasks_(executor),
          requested_(executor),
          ended_(executor) {
        client = std::make_unique<http::H2Connection>(std::move(wire.near), nullptr,
                                                      http::H2Options{}, nullptr);
        server = std::make_unique<http::H2Connection>(std::move(wire.far), nullptr,
                                                      http::H2Options{.server = true}, this);
    }

    io::Task<void> connect() {
        tasks_.spawn(run_connection(*server));
        REQUIRE((co_await client->handshake()).has_value());
        tasks_.spawn(run_only(*client));
        const auto stream = client->open(connect_request("api", 80), relay_a.get());
        REQUIRE(stream.has_value());
        relay_a->attach(*client, *stream);
        co_await requested_.wait();
        server->respond(stream_b, connect_accepted());
        relay_b->attach(std::move(socket_b_));
        const auto answer = co_await relay_a->answer(std::chrono::steady_clock::now() + patience);
        REQUIRE(parse_connect_answer(answer).accepted);
        relay_a->attach(std::move(socket_a_));
    }

    static io::Task<void> run_connection(http::H2Connection& connection) {
        REQUIRE((co_await connection.handshake()).has_value());
        (void)co_await connection.run();
    }
    static io::Task<void> run_only(http::H2Connection& connection) {
        (void)co_await connection.run();
    }
    io::Task<void> run_relay(Relay& relay, std::optional<RelayEnd>& end) {
        end = co_await relay.run();
        ended_.notify();
    }

    io::Socket socket_a_, socket_b_;
    io::TaskGroup tasks_;
    io::Signal requested_, ended_;
};

inline io::Task<bool> send_all(io::Socket& socket, std::string data) {
    auto [error, count] = co_await asio::async_write(socket, asio::buffer(data), as_result);
    co_return !error && count == data.size();
}

// Up to `wanted` bytes; fewer at the end of the stream.
inline io::Task<std::string> receive(io::Socket& socket, std::size_t wanted) {
    std::string data;
    std::string chunk(64 << 10, '\0');
    while (data.size() < wanted) {
        auto [error, count] = co_await socket.async_read_some(asio::buffer(chunk), as_result);
        data.append(chunk, 0, count);
        if (error) break;
    }
    co_return data;
}

// What a read ends with when nothing comes: eof, connection_reset …
inline io::Task<std::error_code> end_of(io::Socket& socket) {
    std::string chunk(64 << 10, '\0');
    while (true) {
        auto [error, count] = co_await socket.async_read_some(asio::buffer(chunk), as_result);
        if (error) co_return error;
    }
}

inline std::string pattern(std::size_t size) {
    std::string data(size, '\0');
    std::uint32_t state = 12345;
    for (char& c : data) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(state >> 24);
    }
    return data;
}

} // namespace hawser::proxy::test
