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

} // namespace

io::Task<std::string> ask_udp(io::Executor executor, DnsForward to, std::string query) {
    const std::uint16_t asked_id = dns_id(as_bytes(query));
    set_dns_id(query, random_id());
    UdpSocket socket(executor);
    if (!connect(socket, to)) co_return "";
    if (::send(socket.native_handle(), query.data(), query.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        co_return "";
    const Deadline deadline(socket, to.timeout);
    while (!deadline.expired()) {
        auto [error] = co_await socket.async_wait(UdpSocket::wait_read, as_result);
        if (error) co_return "";
        int pending = 0;
        socklen_t length = sizeof pending;
        // An ICMP refusal ends the wait too.
        (void)::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &pending, &length);
        if (pending != 0) co_return "";
        std::string answer = take_datagram(socket.native_handle());
        if (!answers(as_bytes(answer), as_bytes(query))) continue;
        set_dns_id(answer, asked_id);
        co_return answer;
    }
    co_return "";
}

io::Task<std::string> ask_tcp(io::Executor executor, DnsForward to, std::string query) {
    const std::uint16_t asked_id = dns_id(as_bytes(query));
    set_dns_id(query, random_id());
    const io::ConnectOptions options{.timeout = to.timeout, .mark = to.mark};
    auto socket = co_await io::connect_tcp(executor, to.upstream, options);
    if (!socket) co_return "";
    const Deadline deadline(*socket, to.timeout);
    const std::uint16_t length = htons(static_cast<std::uint16_t>(query.size()));
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(&length, 2), asio::buffer(query)};
    auto [write_error, written] = co_await asio::async_write(*socket, parts, as_result);
    if (write_error || deadline.expired()) co_return "";
    std::uint16_t answer_length = 0;
    auto [length_error, length_read] =
        co_await asio::async_read(*socket, asio::buffer(&answer_length, 2), as_result);
    if (length_error || deadline.expired()) co_return "";
    std::string answer(ntohs(answer_length), '\0');
    auto [read_error, read] = co_await asio::async_read(*socket, asio::buffer(answer), as_result);
    if (read_error || !answers(as_bytes(answer), as_bytes(query))) co_return "";
    set_dns_id(answer, asked_id);
    co_return answer;
}

} // namespace hawser::host
