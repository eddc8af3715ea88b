#include "host/dns_forward.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <asio/as_tuple.hpp>
#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "base/bytes.h"
#include "base/random.h"
#include "host/deadline.h"
#include "host/dns_message.h"
#include "host/udp_listener.h"
#include "io/socket.h"

namespace hawser::host {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});

std::uint16_t random_id() {
    std::array<std::uint8_t, 2> bytes;
    fill_secure_random(bytes);
    return static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1]);
}

// Connected, so that the kernel drops datagrams from anywhere else.
bool connect(UdpSocket& socket, const DnsForward& to) {
    SocketAddress address(to.upstream);
    std::error_code error;
    socket.open(to.upstream.address.is_v4() ? asio::ip::udp::v4() : asio::ip::udp::v6(), error);
    if (error) return false;
    const int mark = static_cast<int>(to.mark);
    if (mark != 0 &&
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
        return false;
    return ::connect(socket.native_handle(), address.data(), address.length) == 0;
}

// The datagram that is there, whatever its size; "" for none.
std::string take_datagram(int descriptor) {
    const ssize_t size = ::recv(descriptor, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0) return {};
    std::string message(static_cast<std::size_t>(size), '\0');
    const ssize_t got = ::recv(descriptor, message.data(), message.size(), MSG_DONTWAIT);
    if (got < 0) return {};
    message.resize(static_cast<std::size_t>(got));
    return message;
}

std::unexpected<Error> no_answer(const Endpoint& upstream, bool in_time) {
    return in_time ? fail(ErrorCode::unavailable, upstream.to_string() + " does not answer")
                   : fail(ErrorCode::deadline_exceeded,
                          upstream.to_string() + " did not answer in time");
}

} // namespace

io::Task<Result<std::string>> ask_udp(io::Executor executor, DnsForward to, std::string query) {
    const std::uint16_t asked_id = dns_id(as_bytes(query));
    set_dns_id(query, random_id());
    UdpSocket socket(executor);
    if (!connect(socket, to)) co_return no_answer(to.upstream, true);
    if (::send(socket.native_handle(), query.data(), query.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        co_return no_answer(to.upstream, true);
    const Deadline deadline(socket, to.timeout);
    while (!deadline.expired()) {
        auto [error] = co_await socket.async_wait(UdpSocket::wait_read, as_result);
        if (error) break;
        int pending = 0;
        socklen_t length = sizeof pending;
        // An ICMP refusal ends the wait too.
        (void)::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &pending, &length);
        if (pending != 0) break;
        std::string answer = take_datagram(socket.native_handle());
        if (!answers(as_bytes(answer), as_bytes(query))) continue;
        set_dns_id(answer, asked_id);
        co_return answer;
    }
    co_return no_answer(to.upstream, !deadline.expired());
}

io::Task<Result<std::string>> ask_tcp(io::Executor executor, DnsForward to, std::string query) {
    const std::uint16_t asked_id = dns_id(as_bytes(query));
    set_dns_id(query, random_id());
    const io::ConnectOptions options{.timeout = to.timeout, .mark = to.mark};
    auto socket = co_await io::connect_tcp(executor, to.upstream, options);
    if (!socket)
        co_return no_answer(to.upstream, socket.error().code != ErrorCode::deadline_exceeded);
    const Deadline deadline(*socket, to.timeout);
    const std::uint16_t length = htons(static_cast<std::uint16_t>(query.size()));
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(&length, 2), asio::buffer(query)};
    auto [error, written] = co_await asio::async_write(*socket, parts, as_result);
    std::uint16_t answer_length = 0;
    if (!error && !deadline.expired()) {
        auto [failed, count] =
            co_await asio::async_read(*socket, asio::buffer(&answer_length, 2), as_result);
        error = failed;
    }
    std::string answer(error ? 0 : ntohs(answer_length), '\0');
    if (!error && !deadline.expired()) {
        auto [failed, count] = co_await asio::async_read(*socket, asio::buffer(answer), as_result);
        error = failed;
    }
    if (error || !answers(as_bytes(answer), as_bytes(query)))
        co_return no_answer(to.upstream, !deadline.expired());
    set_dns_id(answer, asked_id);
    co_return answer;
}

} // namespace hawser::host
