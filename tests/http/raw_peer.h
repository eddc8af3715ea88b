// The other end of a socket as bare bytes: says what no honest peer would.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "http/test_connections.h"

namespace hawser::test {

class RawPeer {
  public:
    explicit RawPeer(TestLoop& loop) : loop_(loop) {
        auto [near, far] = socket_pair(loop);
        descriptor_ = near.release();
        other_.emplace(std::move(far));
    }
    ~RawPeer() { close(); }
    RawPeer(const RawPeer&) = delete;
    RawPeer& operator=(const RawPeer&) = delete;

    // The end for the code under test.
    [[nodiscard]] io::Socket take_other() { return std::move(*other_); }

    // All of it, running the loop while the socket is full. false: the other end has gone.
    bool send(std::string_view bytes) {
        return loop_.until([&] {
            while (!bytes.empty()) {
                const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
                if (sent < 0 && errno == EAGAIN) return false;
                if (sent < 0) {
                    gone_ = true;
                    return true;
                }
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            }
            return true;
        }) && !gone_;
    }
    // What has come so far.
    std::string& received() {
        char buffer[65536];
        ssize_t count = 0;
        while ((count = ::recv(descriptor_, buffer, sizeof buffer, 0)) > 0)
            received_.append(buffer, static_cast<std::size_t>(count));
        if (count == 0 || (count < 0 && errno != EAGAIN)) gone_ = true;
        return received_;
    }
    // The other end has closed.
    bool gone() {
        (void)received();
        return gone_;
    }
    void shut_down() { ::shutdown(descriptor_, SHUT_WR); }
    void close() {
        if (descriptor_ >= 0) ::close(descriptor_);
        descriptor_ = -1;
    }

  private:
    TestLoop& loop_;
    int descriptor_ = -1;
    std::optional<io::Socket> other_;
    std::string received_;
    bool gone_ = false;
};

// --- frames (RFC 9113 §4.1) --------------------------------------------------------------------

inline constexpr std::string_view client_magic = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum FrameType : std::uint8_t {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};

inline std::string number(std::uint32_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i));
    return text;
}
inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
    return number(static_cast<std::uint32_t>(payload.size()), 3) + static_cast<char>(type) +
           static_cast<char>(flags) + number(stream, 4) + std::string(payload);
}
// A literal header that enters no table (RFC 7541 §6.2.2); lengths below 127.
inline std::string literal(std::string_view name, std::string_view value) {
    return std::string(1, '\0') + static_cast<char>(name.size()) + std::string(name) +
           static_cast<char>(value.size()) + std::string(value);
}
inline std::string connect_block() {
    return literal(":method", "CONNECT") + literal(":authority", "10.0.0.1:80");
}
inline constexpr std::uint8_t end_stream = 1, end_headers = 4, ack = 1;

} // namespace hawser::test
