// Blocking sockets with a time limit: what an ordinary application does.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "host/socket_address.h"
#include "io/socket.h"

namespace hawser::host::test {

inline Endpoint endpoint(std::string_view text) {
    return Endpoint::parse(text).value();
}

class TestSocket {
  public:
    TestSocket(int family, int type) : descriptor_(::socket(family, type | SOCK_CLOEXEC, 0)) {
        const timeval limit{.tv_sec = 5, .tv_usec = 0};
        ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    }
    explicit TestSocket(int descriptor) : descriptor_(descriptor) {}
    TestSocket(TestSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    TestSocket& operator=(TestSocket&&) = delete;
    ~TestSocket() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }

    static TestSocket listener(const Endpoint& at, int type = SOCK_STREAM) {
        SocketAddress address(at);
        TestSocket socket(address.family(), type);
        const int on = 1;
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        REQUIRE(::bind(socket.get(), address.data(), address.length) == 0);
        if (type == SOCK_STREAM) REQUIRE(::listen(socket.get(), 1024) == 0);
        return socket;
    }
    // 0, or the errno of the connect.
    int connect(const Endpoint& to) const {
        SocketAddress address(to);
        return ::connect(get(), address.data(), address.length) == 0 ? 0 : errno;
    }
    [[nodiscard]] TestSocket accept() const {
        const int accepted = ::accept4(get(), nullptr, nullptr, SOCK_CLOEXEC);
        REQUIRE(accepted >= 0);
        return TestSocket(accepted);
    }
    int mark(int value) const {
        return ::setsockopt(get(), SOL_SOCKET, SO_MARK, &value, sizeof value);
    }
    [[nodiscard]] int get() const { return descriptor_; }
    [[nodiscard]] Endpoint local() const { return io::local_endpoint(get()).value(); }
    [[nodiscard]] Endpoint peer() const { return io::peer_endpoint(get()).value(); }

    void send(std::string_view text) const {
        REQUIRE(::send(get(), text.data(), text.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
    }
    // What one read gives; "" at the end or on an error.
    [[nodiscard]] std::string receive() const {
        std::string text(70'000, '\0');
        const ssize_t got = ::recv(get(), text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }

  private:
    int descriptor_;
};

// Dials like an application: the errno, 0 when connected.
inline int dial(const Endpoint& to, int type = SOCK_STREAM) {
    const TestSocket socket(to.address.is_v4() ? AF_INET : AF_INET6, type);
    return socket.connect(to);
}

} // namespace hawser::host::test
