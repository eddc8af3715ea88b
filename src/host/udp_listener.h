// A bound UDP socket that answers from the address it was asked at, also when it listens on every
// address (which a connected asker insists on). One loop.
#pragma once

#include <array>
#include <asio/basic_datagram_socket.hpp>
#include <asio/ip/udp.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "host/socket_address.h"
#include "io/loop.h"

namespace hawser::host {

using UdpSocket = asio::basic_datagram_socket<asio::ip::udp, io::Executor>;

// Who sent a datagram, and the control message that makes the answer leave from where it arrived.
struct UdpPeer {
    SocketAddress address;
    alignas(cmsghdr) std::array<char, 64> control{};
    std::size_t control_length = 0;
};

class UdpListener {
  public:
    [[nodiscard]] static Result<UdpListener> open(io::Executor executor, const Endpoint& endpoint);

    [[nodiscard]] UdpSocket& socket() { return socket_; }
    // The next datagram that is already there. Valid until the next call.
    [[nodiscard]] std::optional<ByteView> receive(UdpPeer& peer);
    // A full send buffer drops it, as UDP may.
    void send(const UdpPeer& peer, std::string_view message);

  private:
    explicit UdpListener(UdpSocket socket) : socket_(std::move(socket)) {}

    UdpSocket socket_;
    std::array<std::uint8_t, 4096> buffer_{}; // no query is longer
};

} // namespace hawser::host
