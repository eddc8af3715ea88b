#include "http/h1_client.h"

#include <algorithm>
#include <array>
#include <asio/as_tuple.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <utility>

#include "http/h1_parser.h"
#include "http/socket_deadline.h"
#include "io/socket.h"

namespace hawser::http {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});

// Printable ASCII without spaces: nothing that could end a line or begin a header.
bool is_clean(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Result<std::string> compose(const H1Request& request) {
    if (!is_clean(request.method) || !is_clean(request.host) || !is_clean(request.path) ||
        request.path.front() != '/')
        return fail(ErrorCode::invalid, "the request's method, host or path is not valid");
    return request.method + " " + request.path + " HTTP/1.1\r\nhost: " + request.host +
           "\r\nuser-agent: hawser\r\naccept: */*\r\nconnection: close\r\n\r\n";
}

bool enough(const H1Parser& parser) {
    return parser.complete() || parser.message().body_cut;
}

// Feeds what came. 1xx answers precede the real one.
Result<void> feed_answer(H1Parser& parser, ByteView bytes, std::size_t& heads) {
    constexpr std::size_t most_heads = 8;
    while (!bytes.empty() && !enough(parser)) {
        const auto taken = parser.feed(bytes);
        if (!taken) return fail(taken.error());
        bytes = bytes.subspan(*taken);
        if (parser.complete() && parser.message().status < 200) {
            if (++heads == most_heads) return fail(ErrorCode::invalid, "too many 1xx answers");
            (void)parser.take();
        }
    }
    return {};
}

io::Task<Result<void>> read_answer(io::Socket& socket, H1Parser& parser) {
    std::array<char, 4096> buffer;
    std::size_t heads = 0;
    while (!enough(parser)) {
        const auto [error, count] =
            co_await socket.async_read_some(asio::buffer(buffer), as_result);
        if (error == asio::error::eof) co_return parser.finish();
        if (error) co_return fail_errno(error.value(), "reading the answer");
        const ByteView bytes = as_bytes(std::string_view(buffer.data(), count));
        if (auto fed = feed_answer(parser, bytes, heads); !fed) co_return fed;
    }
    co_return Result<void>();
}

} // namespace

io::Task<Result<H1Answer>> request_h1(H1Request request) {
    const auto text = compose(request);
    if (!text) co_return fail(text.error());
    const auto begun = std::chrono::steady_clock::now();
    const io::Executor executor = co_await asio::this_coro::executor;
    auto socket =
        co_await io::connect_tcp(executor, request.endpoint, {.timeout = request.timeout});
    if (!socket) co_return fail(std::move(socket.error()));
    const auto spent =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    SocketDeadline deadline(*socket, request.timeout - spent);

    H1Parser parser(H1Parser::Kind::response, {.body_bytes = request.max_body});
    if (request.method == "HEAD") parser.expect_no_body();
    const auto [error, written] =
        co_await asio::async_write(*socket, asio::buffer(*text), as_result);
    // A server may answer and close before it has read it all: its answer counts.
    (void)written;
    auto answered = error && error.value() != EPIPE && error.value() != ECONNRESET
                        ? Result<void>(fail_errno(error.value(), "sending the request"))
                        : co_await read_answer(*socket, parser);
    if (deadline.passed()) co_return fail(ErrorCode::deadline_exceeded, "no answer in time");
    if (!answered) co_return fail(std::move(answered.error()));
    H1Message message = parser.take();
    co_return H1Answer{.status = message.status, .body = std::move(message.body)};
}

} // namespace hawser::http
