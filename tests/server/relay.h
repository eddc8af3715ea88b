// A road between two servers that a test can close: connections through it are cut, refused, or
// kept open with nothing getting through.
#pragma once

#include <array>
#include <asio/as_tuple.hpp>
#include <asio/buffer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <list>
#include <memory>

#include "io/signal.h"
#include "io/socket.h"
#include "io/task_group.h"

namespace hawser::server::test {

class Relay {
  public:
    enum class State : std::uint8_t {
        open,
        closed,  // connections break, new ones are refused
        silent,  // nothing gets through, and nobody is told
        one_way, // what the server that was dialled says does not get through
    };

    Relay(io::Executor executor, Endpoint to)
        : executor_(executor), to_(to), tasks_(executor), acceptor_(listen(executor)) {
        tasks_.spawn(serve());
    }

    [[nodiscard]] Endpoint endpoint() { return *io::local_endpoint(acceptor_.native_handle()); }
    void set(State state) {
        state_ = state;
        if (state == State::closed) close_all();
        for (const auto& held : held_) held->notify();
    }
    // Where the server is after a restart.
    void point_to(Endpoint to) { to_ = to; }
    [[nodiscard]] io::Task<void> end() {
        tasks_.cancel();
        close_all();
        co_await tasks_.join();
    }

  private:
    struct Connection {
        io::Socket from, to;
    };
    using ConnectionPtr = std::shared_ptr<Connection>;

    static io::Acceptor listen(io::Executor executor) {
        auto acceptor = io::listen_tcp(executor, *Endpoint::parse("127.0.0.1:0"));
        REQUIRE(acceptor.has_value());
        return std::move(*acceptor);
    }

    void close_all() {
        for (const std::weak_ptr<Connection>& weak : connections_) {
            if (const ConnectionPtr connection = weak.lock()) close(*connection);
        }
        connections_.clear();
    }
    static void close(Connection& connection) {
        io::reset_on_close(connection.from);
        io::reset_on_close(connection.to);
        io::close(connection.from);
        io::close(connection.to);
    }

    io::Task<void> serve() {
        while (true) {
            auto socket = co_await io::accept(acceptor_);
            if (!socket) co_return;
            if (state_ == State::closed) {
                io::reset_on_close(*socket);
                continue;
            }
            tasks_.spawn(carry(std::move(*socket)));
        }
    }
    io::Task<void> carry(io::Socket from) {
        auto to = co_await io::connect_tcp(executor_, to_);
        if (!to) {
            io::reset_on_close(from);
            co_return;
        }
        auto connection = std::make_shared<Connection>(std::move(from), std::move(*to));
        connections_.push_back(connection);
        tasks_.spawn(copy(connection, false));
        tasks_.spawn(copy(connection, true));
    }
    [[nodiscard]] bool passes(bool back) const {
        return state_ == State::open || (state_ == State::one_way && !back);
    }
    io::Task<void> copy(ConnectionPtr connection, bool back) {
        io::Socket& from = back ? connection->to : connection->from;
        io::Socket& to = back ? connection->from : connection->to;
        std::array<char, 65'536> buffer{};
        constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});
        io::Signal woken(executor_);
        while (true) {
            auto [error, count] = co_await from.async_read_some(asio::buffer(buffer), as_result);
            while (!error && !passes(back) && state_ != State::closed) {
                held_.push_back(&woken);
                const auto place = std::prev(held_.end());
                (void)co_await woken.wait_for(std::chrono::milliseconds(50));
                held_.erase(place);
            }
            if (!error) {
                std::tie(error, count) =
                    co_await asio::async_write(to, asio::buffer(buffer.data(), count), as_result);
            }
            if (error) break;
        }
        close(*connection);
    }

    io::Executor executor_;
    Endpoint to_;
    State state_ = State::open;
    std::list<std::weak_ptr<Connection>> connections_;
    std::list<io::Signal*> held_;
    io::TaskGroup tasks_;
    io::Acceptor acceptor_;
};

} // namespace hawser::server::test
