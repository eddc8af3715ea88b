#include "rpc/server.h"

#include <asio/this_coro.hpp>
#include <utility>

#include "io/socket.h"
#include "io/socket_file.h"
#include "log/log.h"
#include "rpc/listener.h"

namespace hawser::rpc {
namespace {

void take(Listener& listener, io::Socket socket) {
    const auto room = listener.table.check_room_for_members();
    if (room) {
        listener.connections.spawn(serve_connection(listener, std::move(socket)));
        return;
    }
    const auto caller = describe_peer(socket.native_handle(), !listener.options.credentials);
    listener.refused(caller ? caller->remote : "unknown", room.error());
    io::reset_on_close(socket);
}

io::Task<void> drain(Listener& listener) {
    using SteadyClock = std::chrono::steady_clock;
    listener.draining = true;
    listener.table.goaway();
    const auto deadline = SteadyClock::now() + limits::drain_deadline;
    while (listener.connections.size() > 0) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
        if (left.count() <= 0) break;
        (void)co_await listener.one_ended.wait_for(left);
    }
    listener.connections.cancel();
    co_await listener.connections.join();
}

} // namespace

io::Task<void> serve(io::Acceptor acceptor, Methods methods, ServerOptions options) {
    co_await asio::this_coro::throw_if_cancelled(false);
    Listener listener(acceptor.get_executor(), std::move(methods), std::move(options));
    const auto state = co_await asio::this_coro::cancellation_state;
    while (state.cancelled() == asio::cancellation_type::none) {
        auto socket = co_await io::accept(acceptor);
        if (socket) {
            take(listener, std::move(*socket));
        } else if (state.cancelled() == asio::cancellation_type::none) {
            log::error("accepting failed",
                       {{"listener", listener.options.name}, {"error", socket.error()}});
            break;
        }
    }
    io::remove_socket_file(acceptor);
    std::error_code ignored;
    acceptor.close(ignored);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await drain(listener);
}

} // namespace hawser::rpc
