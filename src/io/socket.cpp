#include "io/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/as_tuple.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

namespace hawser::io {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<Executor>{});
constexpr std::chrono::milliseconds out_of_descriptors_pause{100};
// <linux/netfilter_ipv6/ip6_tables.h> can't be included beside <netinet/in.h>.
constexpr int ip6t_so_original_dst = 80;

// A descriptor until somebody takes it.
class OwnedDescriptor {
  public:
    explicit OwnedDescriptor(int descriptor) : descriptor_(descriptor) {}
    ~OwnedDescriptor() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    OwnedDescriptor(const OwnedDescriptor&) = delete;
    OwnedDescriptor& operator=(const OwnedDescriptor&) = delete;
    [[nodiscard]] int get() const { return descriptor_; }
    int release() { return std::exchange(descriptor_, -1); }

  private:
    int descriptor_;
};

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;

    explicit SocketAddress(const Endpoint& endpoint) {
        if (endpoint.address.is_v4()) {
            auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
            v4.sin_family = AF_INET;
            v4.sin_port = htons(endpoint.port);
            v4.sin_addr.s_addr = htonl(endpoint.address.v4_host_order());
            length = sizeof v4;
        } else {
            auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
            v6.sin6_family = AF_INET6;
            v6.sin6_port = htons(endpoint.port);
            std::memcpy(&v6.sin6_addr, endpoint.address.bytes().data(), 16);
            length = sizeof v6;
        }
    }
    SocketAddress() : length(sizeof storage) {}

    [[nodiscard]] sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] int family() const { return storage.ss_family; }

    [[nodiscard]] Result<Endpoint> endpoint() const {
        if (family() == AF_INET) {
            const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
            return Endpoint{IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
        }
        if (family() == AF_INET6) {
            const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
            std::array<std::uint8_t, 16> bytes;
            std::memcpy(bytes.data(), &v6.sin6_addr, 16);
            return Endpoint{IpAddress::v6(bytes), ntohs(v6.sin6_port)};
        }
        return fail(ErrorCode::invalid, "not an IP socket");
    }
};

asio::generic::stream_protocol protocol_of(int family) {
    return {family, family == AF_UNIX ? 0 : IPPROTO_TCP};
}

Result<int> open_socket(int family) {
    const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail_errno(errno, "opening a socket");
    return descriptor;
}

void set_option(int descriptor, int level, int name, int value) {
    // Each option set through here improves a socket that works without it.
    (void)::setsockopt(descriptor, level, name, &value, sizeof value);
}

Result<void> connect_now(int descriptor, SocketAddress& address) {
    if (::connect(descriptor, address.data(), address.length) == 0) return {};
    if (errno == EINPROGRESS) return {};
    return fail_errno(errno, "connecting");
}

// Ends the socket's wait when the time is up. Shared with the timer's handler, which may still be
// queued when the waiting coroutine has gone on.
struct ConnectTimeout {
    bool fired = false;
    Socket* socket = nullptr;
};

Task<Result<Socket>> finish_connect(Socket socket, std::chrono::milliseconds timeout) {
    Timer timer(socket.get_executor(), timeout);
    auto state = std::make_shared<ConnectTimeout>();
    state->socket = &socket;
    timer.async_wait([state](const std::error_code& error) {
        if (error || state->socket == nullptr) return;
        state->fired = true;
        std::error_code ignored;
        state->socket->cancel(ignored);
    });
    auto [error] = co_await socket.async_wait(Socket::wait_write, as_result);
    state->socket = nullptr;
    timer.cancel();
    if (state->fired) co_return fail(ErrorCode::deadline_exceeded, "connecting: timed out");
    if (error) co_return fail_errno(error.value(), "connecting");
    int result = 0;
    socklen_t length = sizeof result;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_ERROR, &result, &length) != 0)
        co_return fail_errno(errno, "connecting");
    if (result != 0) co_return fail_errno(result, "connecting");
    co_return std::move(socket);
}

Result<Socket> adopt(Executor executor, OwnedDescriptor& descriptor, int family) {
    Socket socket(executor);
    std::error_code error;
    socket.assign(protocol_of(family), descriptor.get(), error);
    if (error) return fail_errno(error.value(), "registering a socket");
    descriptor.release();
    // Asio would otherwise set non-blocking again (one fcntl a connection).
    socket.native_non_blocking(true, error);
    return socket;
}

Result<Acceptor> adopt_listener(Executor executor, OwnedDescriptor& descriptor, int family) {
    Acceptor acceptor(executor);
    std::error_code error;
    acceptor.assign(protocol_of(family), descriptor.get(), error);
    if (error) return fail_errno(error.value(), "registering a listener");
    descriptor.release();
    return acceptor;
}

} // namespace

Result<Acceptor> listen_tcp(Executor executor, const Endpoint& endpoint, ListenOptions options) {
    SocketAddress address(endpoint);
    const std::string step = "listening on " + endpoint.to_string();
    auto opened = open_socket(address.family());
    if (!opened) return fail(opened.error(), step);
    OwnedDescriptor descriptor(*opened);
    set_option(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port) set_option(descriptor.get(), SOL_SOCKET, SO_REUSEPORT, 1);
    // A v6 listener on :: takes IPv4 connections too, as users of other proxies expect.
    if (address.family() == AF_INET6) set_option(descriptor.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, 1); // inherited by what it accepts
    if (::bind(descriptor.get(), address.data(), address.length) != 0)
        return fail_errno(errno, step);
    if (::listen(descriptor.get(), options.backlog) != 0) return fail_errno(errno, step);
    return adopt_listener(executor, descriptor, address.family());
}

Result<Acceptor> listen_unix(Executor executor, const std::string& path, mode_t mode, gid_t group) {
    const std::string step = "listening on " + path;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(ErrorCode::invalid, step + ": the path is longer than a socket's may be");
    std::memcpy(address.sun_path, path.data(), path.size());
    auto opened = open_socket(AF_UNIX);
    if (!opened) return fail(opened.error(), step);
    OwnedDescriptor descriptor(*opened);
    // A socket file that nobody serves any more is replaced; one that answers is left alone.
    // With a full queue (EAGAIN) somebody serves it, too.
    if (::connect(descriptor.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN)
        return fail(ErrorCode::already_exists, step + ": another process serves it");
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode))
            return fail(ErrorCode::already_exists, step + ": not a socket");
        if (::unlink(path.c_str()) != 0) return fail_errno(errno, step);
    }
    if (::bind(descriptor.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return fail_errno(errno, step);
    if (group != static_cast<gid_t>(-1) &&
        ::chown(path.c_str(), static_cast<uid_t>(-1), group) != 0)
        return fail_errno(errno, step);
    if (::chmod(path.c_str(), mode) != 0) return fail_errno(errno, step);
    if (::listen(descriptor.get(), 64) != 0) return fail_errno(errno, step);
    return adopt_listener(executor, descriptor, AF_UNIX);
}

Result<Endpoint> local_endpoint(int descriptor) {
    SocketAddress address;
    if (::getsockname(descriptor, address.data(), &address.length) != 0)
        return fail_errno(errno, "reading a socket's address");
    return address.endpoint();
}

Result<Endpoint> peer_endpoint(int descriptor) {
    SocketAddress address;
    if (::getpeername(descriptor, address.data(), &address.length) != 0)
        return fail_errno(errno, "reading a peer's address");
    return address.endpoint();
}

// Asio's own accept leaves the socket open in programs that are started later (no SOCK_CLOEXEC),
// and needs two more system calls to make it non-blocking.
Task<Result<Socket>> accept(Acceptor& acceptor) {
    while (true) {
        if (auto [error] = co_await acceptor.async_wait(Acceptor::wait_read, as_result); error)
            co_return fail_errno(error.value(), "accepting");
        SocketAddress peer;
        OwnedDescriptor descriptor(::accept4(acceptor.native_handle(), peer.data(), &peer.length,
                                             SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (descriptor.get() >= 0) {
            auto socket = adopt(acceptor.get_executor(), descriptor, peer.family());
            if (socket) co_return socket;
        } else if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) {
            continue; // another worker took it, or the peer gave up between the handshake and us
        } else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK) {
            co_return fail_errno(errno, "accepting");
        }
        // No descriptors or memory, or an error of the network that came with the connection
        // (accept(2)): none of them is the listener's end, and trying at once would spin.
        if (!co_await sleep(out_of_descriptors_pause))
            co_return fail(ErrorCode::cancelled, "accepting: cancelled");
    }
}

Task<Result<Socket>> connect_tcp(Executor executor, Endpoint endpoint, ConnectOptions options) {
    SocketAddress address(endpoint);
    auto opened = open_socket(address.family());
    if (!opened) co_return fail(std::move(opened.error()));
    OwnedDescriptor descriptor(*opened);
    set_option(descriptor.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    if (options.mark != 0) {
        const int mark = static_cast<int>(options.mark);
        if (::setsockopt(descriptor.get(), SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0)
            co_return fail_errno(errno, "marking a socket");
    }
    if (auto begun = connect_now(descriptor.get(), address); !begun)
        co_return fail(std::move(begun.error()));
    auto socket = adopt(executor, descriptor, address.family());
    if (!socket) co_return fail(std::move(socket.error()));
    co_return co_await finish_connect(std::move(*socket), options.timeout);
}

Task<Result<Socket>> connect_unix(Executor executor, std::string path,
                                  std::chrono::milliseconds timeout) {
    const std::string step = "connecting to " + path;
    SocketAddress address;
    auto& local = reinterpret_cast<sockaddr_un&>(address.storage);
    local.sun_family = AF_UNIX;
    if (path.size() >= sizeof local.sun_path)
        co_return fail(ErrorCode::invalid, step + ": the path is longer than a socket's may be");
    std::memcpy(local.sun_path, path.data(), path.size());
    address.length = sizeof(sockaddr_un);
    auto opened = open_socket(AF_UNIX);
    if (!opened) co_return fail(std::move(opened.error()), step);
    OwnedDescriptor descriptor(*opened);
    if (::connect(descriptor.get(), address.data(), address.length) != 0)
        co_return fail_errno(errno, step);
    auto socket = adopt(executor, descriptor, AF_UNIX);
    if (!socket) co_return fail(std::move(socket.error()), step);
    co_return co_await finish_connect(std::move(*socket), timeout);
}

Result<Endpoint> original_destination(int descriptor) {
    auto local = local_endpoint(descriptor);
    if (!local) return local;
    SocketAddress address;
    const bool v4 = local->address.is_v4();
    if (::getsockopt(descriptor, v4 ? SOL_IP : SOL_IPV6,
                     v4 ? SO_ORIGINAL_DST : ip6t_so_original_dst, address.data(),
                     &address.length) != 0)
        return fail_errno(errno, "asking for the original destination");
    return address.endpoint();
}

Result<PeerCredentials> peer_credentials(int descriptor) {
    ucred credentials{};
    socklen_t length = sizeof credentials;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
        return fail_errno(errno, "asking who the peer is");
    return PeerCredentials{.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
}

void reset_on_close(Socket& socket) {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    (void)::setsockopt(socket.native_handle(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void close(Socket& socket) {
    std::error_code ignored;
    socket.close(ignored);
}

Task<bool> sleep(std::chrono::milliseconds duration) {
    Timer timer(co_await asio::this_coro::executor, duration);
    auto [error] = co_await timer.async_wait(as_result);
    co_return !error;
}

} // namespace hawser::io
