#include "http/h1_server.h"

#include <array>
#include <asio/as_tuple.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "base/limits.h"
#include "http/h1_parser.h"
#include "http/socket_deadline.h"
#include "io/task_group.h"
#include "log/log.h"

namespace hawser::http {
namespace {

using namespace std::chrono_literals;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});
constexpr std::chrono::milliseconds idle_timeout = 60s;   // between requests of a connection
constexpr std::chrono::milliseconds request_timeout = 5s; // from its first byte to its last
constexpr std::chrono::milliseconds response_timeout = 10s;
constexpr std::chrono::milliseconds linger_timeout = 1s;

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200: return "OK";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 413: return "Content Too Large";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 503: return "Service Unavailable";
        default: return "";
    }
}

std::string serialize(const H1Response& response, bool head_only, bool keep_alive) {
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
    text.append(reason_phrase(response.status));
    text.append("\r\ncontent-type: ").append(response.content_type);
    text.append("\r\ncontent-length: ").append(std::to_string(response.body.size()));
    if (response.status == 405) text.append("\r\nallow: GET, HEAD");
    text.append(keep_alive ? "\r\n\r\n" : "\r\nconnection: close\r\n\r\n");
    if (!head_only) text.append(response.body);
    return text;
}

H1Response refusal(int status, std::string why) {
    return {.status = status, .body = std::move(why) + "\n"};
}

// What is wrong with a request that parsed; empty: nothing.
std::optional<H1Response> refuse(const H1Message& request) {
    std::size_t hosts = 0;
    for (const auto& [name, value] : request.headers) hosts += name == "host" ? 1 : 0;
    if (hosts != 1) return refusal(400, "exactly one host header is required");
    if (!request.target.starts_with('/')) return refusal(400, "the target must be a path");
    if (!request.body.empty() || request.body_cut) return refusal(413, "no body is accepted");
    if (request.method != "GET" && request.method != "HEAD")
        return refusal(405, "only GET and HEAD are served");
    return std::nullopt;
}

// One connection's requests, one after the other.
class H1Connection {
  public:
    explicit H1Connection(io::Socket socket)
        : socket_(std::move(socket)),
          deadline_(socket_, idle_timeout),
          parser_(H1Parser::Kind::request, {.body_bytes = 1}) {}

    io::Task<void> serve(const H1Handler& handler) {
        while (true) {
            const auto read = co_await read_request();
            if (!read) {
                if (read.error().code == ErrorCode::unavailable) co_return; // it left
                const bool long_head = read.error().code == ErrorCode::resource_exhausted;
                if (co_await write(refusal(long_head ? 431 : 400, read.error().message), false,
                                   false))
                    co_await let_peer_read();
                co_return;
            }
            const H1Message request = parser_.take();
            auto refused = refuse(request);
            const bool keep_alive = request.keep_alive && !refused;
            H1Response response = refused ? std::move(*refused) : co_await handler(request.target);
            if (!co_await write(response, request.method == "HEAD", keep_alive)) co_return;
            if (!keep_alive) co_return co_await let_peer_read();
            deadline_.restart(idle_timeout);
        }
    }

  private:
    io::Task<Result<void>> read_request() {
        bool begun = false;
        while (true) {
            const auto taken = parser_.feed(as_bytes(received_));
            if (!taken) co_return fail(taken.error());
            received_.erase(0, *taken);
            if (parser_.complete()) co_return Result<void>();
            if (parser_.begun() && !std::exchange(begun, true)) deadline_.restart(request_timeout);
            std::array<char, 4096> buffer;
            const auto [error, count] =
                co_await socket_.async_read_some(asio::buffer(buffer), as_result);
            if (error) co_return fail(ErrorCode::unavailable, "the connection ended");
            received_.append(buffer.data(), count);
        }
    }

    io::Task<bool> write(const H1Response& response, bool head_only, bool keep_alive) {
        const std::string text = serialize(response, head_only, keep_alive);
        deadline_.restart(response_timeout);
        const auto [error, count] =
            co_await asio::async_write(socket_, asio::buffer(text), as_result);
        co_return !error;
    }

    // Closing with unread bytes would reset the connection and take the answer with it.
    io::Task<void> let_peer_read() {
        deadline_.restart(linger_timeout);
        std::error_code error;
        socket_.shutdown(io::Socket::shutdown_send, error);
        std::array<char, 4096> dropped;
        for (int reads = 0; !error && reads < 16; ++reads)
            std::tie(error, std::ignore) =
                co_await socket_.async_read_some(asio::buffer(dropped), as_result);
    }

    io::Socket socket_;
    SocketDeadline deadline_;
    H1Parser parser_;
    std::string received_; // not yet parsed; at most one read
};

io::Task<void> serve_connection(io::Socket socket, const H1Handler& handler) {
    H1Connection connection(std::move(socket));
    co_await connection.serve(handler);
}

} // namespace

io::Task<void> serve_h1(io::Acceptor acceptor, H1Handler handler) {
    // Being cancelled ends the loop below; the connections' tasks must be joined then.
    co_await asio::this_coro::throw_if_cancelled(false);
    io::TaskGroup connections(acceptor.get_executor());
    const auto state = co_await asio::this_coro::cancellation_state;
    while (state.cancelled() == asio::cancellation_type::none) {
        auto socket = co_await io::accept(acceptor);
        if (!socket) {
            if (state.cancelled() == asio::cancellation_type::none)
                log::error("accepting failed", {{"error", socket.error()}});
            break;
        }
        // Over the limit the connection is closed at once: the next scrape comes soon.
        if (connections.size() < limits::metrics_connections)
            connections.spawn(serve_connection(std::move(*socket), handler));
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    connections.cancel();
    co_await connections.join();
}

} // namespace hawser::http
