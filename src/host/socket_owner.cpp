#include "host/socket_owner.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace hawser::host {
namespace {

struct Request {
    nlmsghdr header;
    inet_diag_req_v2 body;
};

void put(const IpAddress& address, bool as_v4, __be32 (&words)[4]) {
    if (as_v4)
        std::memcpy(words, address.bytes().data() + 12, 4);
    else
        std::memcpy(words, address.bytes().data(), 16);
}

IpAddress address_of(std::uint8_t family, const __be32 (&words)[4]) {
    if (family == AF_INET) return IpAddress::v4(ntohl(words[0]));
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), words, 16);
    return IpAddress::v6(bytes); // a v4-mapped one equals the IPv4 address
}

// The kernel falls back to a listener on the caller's port, and keeps remnants of closed sockets
// without their user (reported as root): neither may pass for the caller.
Result<SocketOwner> owner_in(const inet_diag_msg& found, const Endpoint& caller,
                             const Endpoint& dialled) {
    const Endpoint own{address_of(found.idiag_family, found.id.idiag_src),
                       ntohs(found.id.idiag_sport)};
    const Endpoint peer{address_of(found.idiag_family, found.id.idiag_dst),
                        ntohs(found.id.idiag_dport)};
    const bool remnant = found.idiag_state == TCP_LISTEN || found.idiag_state == TCP_TIME_WAIT ||
                         (found.idiag_inode == 0 && found.idiag_uid == 0);
    if (own != caller || peer != dialled || remnant)
        return fail(ErrorCode::not_found, "the caller's socket is gone");
    return SocketOwner{.uid = found.idiag_uid, .inode = found.idiag_inode};
}

} // namespace

Result<SocketOwnerLookup> SocketOwnerLookup::open() {
    SocketOwnerLookup lookup(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (lookup.descriptor_ < 0) return fail_errno(errno, "opening sock_diag");
    // The kernel answers within the call; the bound is for the case that it does not.
    const timeval wait{.tv_sec = 0, .tv_usec = 100'000};
    (void)::setsockopt(lookup.descriptor_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return lookup;
}

SocketOwnerLookup::SocketOwnerLookup(SocketOwnerLookup&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), sequence_(other.sequence_) {}

SocketOwnerLookup& SocketOwnerLookup::operator=(SocketOwnerLookup&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    std::swap(sequence_, other.sequence_);
    return *this;
}

SocketOwnerLookup::~SocketOwnerLookup() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

Result<SocketOwner> SocketOwnerLookup::find(const Endpoint& caller, const Endpoint& dialled) {
    if (caller.address.is_v4() != dialled.address.is_v4())
        return fail(ErrorCode::invalid, "caller and destination are of different families");
    // An AF_INET question finds IPv6 sockets that speak IPv4 too: the kernel hashes them alike.
    return ask(caller.address.is_v4() ? AF_INET : AF_INET6, caller, dialled);
}

Result<SocketOwner> SocketOwnerLookup::ask(std::uint8_t family, const Endpoint& caller,
                                           const Endpoint& dialled) {
    Request request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.header.nlmsg_seq = ++sequence_;
    request.body.sdiag_family = family;
    request.body.sdiag_protocol = IPPROTO_TCP;
    request.body.idiag_states = ~0U;
    request.body.id.idiag_sport = htons(caller.port);
    request.body.id.idiag_dport = htons(dialled.port);
    put(caller.address, family == AF_INET, request.body.id.idiag_src);
    put(dialled.address, family == AF_INET, request.body.id.idiag_dst);
    request.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (::send(descriptor_, &request, sizeof request, 0) < 0)
        return fail_errno(errno, "asking sock_diag");

    alignas(nlmsghdr) std::array<std::byte, 2048> buffer;
    for (int attempt = 0; attempt < 8; ++attempt) {
        const ssize_t got = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno == EAGAIN ? ETIMEDOUT : errno, "reading sock_diag");
        const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
        if (!NLMSG_OK(header, static_cast<unsigned>(got))) break;
        if (header->nlmsg_seq != sequence_) continue; // a late answer to an earlier question
        if (header->nlmsg_type == NLMSG_ERROR) {
            const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
            return fail_errno(error, "finding the caller's socket");
        }
        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) break;
        return owner_in(*static_cast<const inet_diag_msg*>(NLMSG_DATA(header)), caller, dialled);
    }
    return fail(ErrorCode::internal, "sock_diag gave no usable answer");
}

} // namespace hawser::host
