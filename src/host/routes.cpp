#include "host/routes.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <span>

namespace hawser::host {
namespace {

// One request and its answers on a netlink socket of its own.
class RouteSocket {
  public:
    static Result<RouteSocket> open() {
        RouteSocket socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        if (socket.descriptor_ < 0) return fail_errno(errno, "opening rtnetlink");
        const timeval wait{.tv_sec = 2, .tv_usec = 0};
        (void)::setsockopt(socket.descriptor_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        return socket;
    }
    RouteSocket(RouteSocket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    RouteSocket& operator=(RouteSocket&&) = delete;
    ~RouteSocket() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }

    // Sends, and gives each answer to `take` until the kernel says that was all. The value is the
    // kernel's errno, 0 when it did what was asked.
    Result<int> ask(std::span<const std::byte> request,
                    const std::function<void(const nlmsghdr&)>& take) {
        if (::send(descriptor_, request.data(), request.size(), 0) < 0)
            return fail_errno(errno, "asking rtnetlink");
        alignas(nlmsghdr) std::array<std::byte, 16 << 10> buffer;
        while (true) {
            const ssize_t got = ::recv(descriptor_, buffer.data(), buffer.size(), 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return fail_errno(got < 0 ? errno : EIO, "reading rtnetlink");
            auto left = static_cast<unsigned>(got);
            for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(header, left);
                 header = NLMSG_NEXT(header, left)) {
                if (header->nlmsg_type == NLMSG_DONE) return 0;
                if (header->nlmsg_type == NLMSG_ERROR)
                    return -static_cast<nlmsgerr*>(NLMSG_DATA(header))->error;
                take(*header);
            }
        }
    }

  private:
    explicit RouteSocket(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

// A request of fixed size: header, rtmsg, attributes.
class RouteMessage {
  public:
    RouteMessage(std::uint16_t type, std::uint16_t flags, int family) {
        header().nlmsg_len = NLMSG_LENGTH(sizeof(rtmsg));
        header().nlmsg_type = type;
        header().nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        header().nlmsg_seq = 1;
        body().rtm_family = static_cast<unsigned char>(family);
    }
    rtmsg& body() { return *static_cast<rtmsg*>(NLMSG_DATA(&header())); }
    void add(std::uint16_t type, const void* value, std::size_t size) {
        auto* attribute =
            reinterpret_cast<rtattr*>(bytes_.data() + NLMSG_ALIGN(header().nlmsg_len));
        attribute->rta_type = type;
        attribute->rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
        std::memcpy(RTA_DATA(attribute), value, size);
        header().nlmsg_len = static_cast<std::uint32_t>(NLMSG_ALIGN(header().nlmsg_len) +
                                                        RTA_ALIGN(attribute->rta_len));
    }
    void add(std::uint16_t type, const IpAddress& address) {
        const std::size_t skip = address.is_v4() ? 12 : 0;
        add(type, address.bytes().data() + skip, 16 - skip);
    }
    std::span<const std::byte> bytes() { return {bytes_.data(), header().nlmsg_len}; }

  private:
    nlmsghdr& header() { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
    alignas(nlmsghdr) std::array<std::byte, 256> bytes_{};
};

int family_of(const Cidr& range) {
    return range.base.is_v4() ? AF_INET : AF_INET6;
}

IpAddress loopback(const Cidr& range) {
    if (range.base.is_v4()) return IpAddress::v4(0x7f000001);
    return IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
}

Result<int> change(std::uint16_t type, std::uint16_t flags, const Cidr& range) {
    const std::uint32_t interface = ::if_nametoindex("lo");
    if (interface == 0) return fail_errno(errno, "finding the interface lo");
    RouteMessage message(type, static_cast<std::uint16_t>(NLM_F_ACK | flags), family_of(range));
    rtmsg& body = message.body();
    body.rtm_dst_len = range.length;
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = route_protocol;
    body.rtm_scope = range.base.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    body.rtm_type = RTN_UNICAST;
    message.add(RTA_DST, range.base);
    message.add(RTA_OIF, &interface, sizeof interface);
    message.add(RTA_PRIORITY, &route_metric, sizeof route_metric);
    message.add(RTA_PREFSRC, loopback(range));
    auto socket = RouteSocket::open();
    if (!socket) return fail(std::move(socket.error()));
    return socket->ask(message.bytes(), [](const nlmsghdr&) {});
}

void take_route(const nlmsghdr& header, std::vector<Cidr>& found) {
    const auto* body = static_cast<const rtmsg*>(NLMSG_DATA(&header));
    if (header.nlmsg_type != RTM_NEWROUTE || body->rtm_protocol != route_protocol) return;
    int left = static_cast<int>(RTM_PAYLOAD(&header));
    for (const rtattr* attribute = RTM_RTA(body); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type != RTA_DST) continue;
        std::array<std::uint8_t, 16> bytes{};
        const std::size_t size = RTA_PAYLOAD(attribute);
        if (body->rtm_family == AF_INET && size == 4) {
            bytes = IpAddress::v4(0).bytes();
            std::memcpy(bytes.data() + 12, RTA_DATA(attribute), 4);
        } else if (body->rtm_family == AF_INET6 && size == 16) {
            std::memcpy(bytes.data(), RTA_DATA(attribute), 16);
        } else {
            continue;
        }
        found.push_back({.base = IpAddress::v6(bytes), .length = body->rtm_dst_len});
    }
}

} // namespace

Result<void> add_vip_route(const Cidr& range) {
    auto error = change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, range);
    if (!error) return fail(std::move(error.error()));
    if (*error != 0 && *error != EEXIST)
        return fail_errno(*error, "adding the route " + range.to_string() + " dev lo");
    return {};
}

Result<void> remove_vip_route(const Cidr& range) {
    auto error = change(RTM_DELROUTE, 0, range);
    if (!error) return fail(std::move(error.error()));
    if (*error != 0 && *error != ESRCH && *error != ENOENT)
        return fail_errno(*error, "removing the route " + range.to_string() + " dev lo");
    return {};
}

Result<std::vector<Cidr>> vip_routes() {
    std::vector<Cidr> found;
    for (const int family : {AF_INET, AF_INET6}) {
        auto socket = RouteSocket::open();
        if (!socket) return fail(std::move(socket.error()));
        RouteMessage message(RTM_GETROUTE, NLM_F_DUMP, family);
        auto error = socket->ask(message.bytes(),
                                 [&](const nlmsghdr& header) { take_route(header, found); });
        if (!error) return fail(std::move(error.error()));
        // A kernel without IPv6 refuses the question.
        if (*error != 0 && family == AF_INET) return fail_errno(*error, "listing routes");
    }
    return found;
}

Result<void> remove_vip_routes() {
    auto found = vip_routes();
    if (!found) return fail(std::move(found.error()));
    for (const Cidr& range : *found)
        if (auto removed = remove_vip_route(range); !removed) return removed;
    return {};
}

} // namespace hawser::host
