#include "host/udp_listener.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hawser::host {
namespace {

void set_option(int descriptor, int level, int name, int value) {
    (void)::setsockopt(descriptor, level, name, &value, sizeof value);
}

Result<int> bind_socket(SocketAddress address) {
    const int family = address.family();
    const int descriptor = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return fail_errno(errno, "opening a socket");
    if (family == AF_INET6) {
        set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0);
        set_option(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    } else {
        set_option(descriptor, IPPROTO_IP, IP_PKTINFO, 1);
    }
    if (::bind(descriptor, address.data(), address.length) == 0) return descriptor;
    const int error = errno;
    ::close(descriptor);
    return fail_errno(error, "binding");
}

// Keeps what the answer needs of a datagram's control messages, in the form sendmsg takes.
void keep_local_address(msghdr& message, UdpPeer& peer) {
    for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr;
         item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_PKTINFO) {
            in_pktinfo info;
            std::memcpy(&info, CMSG_DATA(item), sizeof info);
            info.ipi_ifindex = 0; // the route to the asker decides, not the interface it came by
            std::memcpy(CMSG_DATA(item), &info, sizeof info);
        } else if (item->cmsg_level == IPPROTO_IPV6 && item->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info;
            std::memcpy(&info, CMSG_DATA(item), sizeof info);
            if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
            std::memcpy(CMSG_DATA(item), &info, sizeof info);
        }
    }
    peer.control_length = message.msg_controllen;
}

} // namespace

Result<UdpListener> UdpListener::open(io::Executor executor, const Endpoint& endpoint) {
    const std::string step = "listening on " + endpoint.to_string() + " (udp)";
    auto descriptor = bind_socket(SocketAddress(endpoint));
    if (!descriptor) return fail(std::move(descriptor.error()), step);
    UdpSocket socket(executor);
    std::error_code error;
    socket.assign(endpoint.address.is_v4() ? asio::ip::udp::v4() : asio::ip::udp::v6(), *descriptor,
                  error);
    if (!error) return UdpListener(std::move(socket));
    ::close(*descriptor);
    return fail_errno(error.value(), step);
}

std::optional<ByteView> UdpListener::receive(UdpPeer& peer) {
    iovec part{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    msghdr message{};
    message.msg_name = peer.address.data();
    message.msg_namelen = sizeof peer.address.storage;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = peer.control.data();
    message.msg_controllen = peer.control.size();
    const ssize_t got = ::recvmsg(socket_.native_handle(), &message, MSG_DONTWAIT);
    if (got < 0) return {};
    peer.address.length = message.msg_namelen;
    keep_local_address(message, peer);
    // Longer than any query: as if empty, which nobody answers.
    const bool cut = (message.msg_flags & MSG_TRUNC) != 0;
    return ByteView(buffer_.data(), cut ? 0 : static_cast<std::size_t>(got));
}

void UdpListener::send(const UdpPeer& peer, std::string_view text) {
    UdpPeer target = peer;
    iovec part{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    msghdr message{};
    message.msg_name = target.address.data();
    message.msg_namelen = target.address.length;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = target.control_length > 0 ? target.control.data() : nullptr;
    message.msg_controllen = target.control_length;
    (void)::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

} // namespace hawser::host
