#include "host/original_source.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

namespace hawser::host {
namespace {

using Bytes = std::span<const std::byte>;

// A netlink message as it is written: attributes, nested ones closed by their length.
class Message {
  public:
    explicit Message(std::uint8_t family) {
        nlmsghdr header{};
        header.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
        header.nlmsg_flags = NLM_F_REQUEST;
        append(&header, sizeof header);
        const nfgenmsg general{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
        append(&general, sizeof general);
    }
    void attribute(std::uint16_t type, const void* value, std::size_t size) {
        const nlattr head{.nla_len = static_cast<std::uint16_t>(NLA_HDRLEN + size),
                          .nla_type = type};
        append(&head, sizeof head);
        append(value, size);
        size_ = NLA_ALIGN(size_);
    }
    [[nodiscard]] std::size_t begin(std::uint16_t type) {
        const std::size_t at = size_;
        const nlattr head{.nla_len = 0,
                          .nla_type = static_cast<std::uint16_t>(type | NLA_F_NESTED)};
        append(&head, sizeof head);
        return at;
    }
    void end(std::size_t at) {
        const auto length = static_cast<std::uint16_t>(size_ - at);
        std::memcpy(bytes_.data() + at, &length, sizeof length); // nla_len comes first
    }
    [[nodiscard]] Bytes finish() {
        const auto length = static_cast<std::uint32_t>(size_);
        std::memcpy(bytes_.data(), &length, sizeof length); // nlmsg_len comes first
        return {bytes_.data(), size_};
    }

  private:
    void append(const void* data, std::size_t size) {
        std::memcpy(bytes_.data() + size_, data, size);
        size_ += size;
    }
    std::array<std::byte, 256> bytes_{}; // the one message there is takes 100
    std::size_t size_ = 0;
};

void write_tuple(Message& message, std::uint16_t type, const Endpoint& from, const Endpoint& to) {
    const bool v4 = from.address.is_v4();
    const std::size_t skip = v4 ? 12 : 0;
    const std::uint8_t protocol = IPPROTO_TCP;
    const std::uint16_t ports[] = {htons(from.port), htons(to.port)};
    const std::size_t tuple = message.begin(type);
    const std::size_t addresses = message.begin(CTA_TUPLE_IP);
    message.attribute(v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, from.address.bytes().data() + skip,
                      16 - skip);
    message.attribute(v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, to.address.bytes().data() + skip,
                      16 - skip);
    message.end(addresses);
    const std::size_t proto = message.begin(CTA_TUPLE_PROTO);
    message.attribute(CTA_PROTO_NUM, &protocol, sizeof protocol);
    message.attribute(CTA_PROTO_SRC_PORT, &ports[0], sizeof ports[0]);
    message.attribute(CTA_PROTO_DST_PORT, &ports[1], sizeof ports[1]);
    message.end(proto);
    message.end(tuple);
}

// The value of the first attribute of that type; nothing if it is not there or cut short.
std::optional<Bytes> find_attribute(Bytes attributes, std::uint16_t type) {
    while (attributes.size() >= NLA_HDRLEN) {
        nlattr head;
        std::memcpy(&head, attributes.data(), sizeof head);
        if (head.nla_len < NLA_HDRLEN || head.nla_len > attributes.size()) break;
        if ((head.nla_type & NLA_TYPE_MASK) == type)
            return attributes.subspan(NLA_HDRLEN, head.nla_len - NLA_HDRLEN);
        attributes =
            attributes.subspan(std::min<std::size_t>(NLA_ALIGN(head.nla_len), attributes.size()));
    }
    return std::nullopt;
}

std::optional<Endpoint> read_source(Bytes attributes) {
    const auto tuple = find_attribute(attributes, CTA_TUPLE_ORIG);
    if (!tuple) return std::nullopt;
    const auto addresses = find_attribute(*tuple, CTA_TUPLE_IP);
    const auto proto = find_attribute(*tuple, CTA_TUPLE_PROTO);
    if (!addresses || !proto) return std::nullopt;
    const auto port = find_attribute(*proto, CTA_PROTO_SRC_PORT);
    if (!port || port->size() != 2) return std::nullopt;
    Endpoint source;
    std::memcpy(&source.port, port->data(), 2);
    source.port = ntohs(source.port);
    if (const auto v4 = find_attribute(*addresses, CTA_IP_V4_SRC); v4 && v4->size() == 4) {
        std::uint32_t address = 0;
        std::memcpy(&address, v4->data(), 4);
        source.address = IpAddress::v4(ntohl(address));
        return source;
    }
    if (const auto v6 = find_attribute(*addresses, CTA_IP_V6_SRC); v6 && v6->size() == 16) {
        std::array<std::uint8_t, 16> bytes;
        std::memcpy(bytes.data(), v6->data(), 16);
        source.address = IpAddress::v6(bytes);
        return source;
    }
    return std::nullopt;
}

Result<Endpoint> read_answer(int descriptor) {
    alignas(nlmsghdr) std::array<std::byte, 4096> buffer;
    const ssize_t got = ::recv(descriptor, buffer.data(), buffer.size(), 0);
    if (got < 0) return fail_errno(errno == EAGAIN ? ETIMEDOUT : errno, "reading ctnetlink");
    const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
    if (!NLMSG_OK(header, static_cast<unsigned>(got)))
        return fail(ErrorCode::internal, "ctnetlink gave no usable answer");
    if (header->nlmsg_type == NLMSG_ERROR) {
        const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
        return fail_errno(error, "finding the connection's origin");
    }
    constexpr std::size_t head = NLMSG_LENGTH(sizeof(nfgenmsg));
    if (header->nlmsg_len < head)
        return fail(ErrorCode::internal, "ctnetlink gave no usable answer");
    const auto source = read_source(Bytes(buffer).subspan(head, header->nlmsg_len - head));
    if (!source) return fail(ErrorCode::internal, "ctnetlink gave no usable answer");
    return *source;
}

} // namespace

Result<Endpoint> original_source(const Endpoint& listener, const Endpoint& peer) {
    if (listener.address.is_v4() != peer.address.is_v4())
        return fail(ErrorCode::invalid, "listener and peer are of different families");
    const int descriptor = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (descriptor < 0) return fail_errno(errno, "opening ctnetlink");
    const timeval wait{.tv_sec = 0, .tv_usec = 100'000};
    (void)::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    Message message(peer.address.is_v4() ? AF_INET : AF_INET6);
    // Answers to this connection go from the listener to the peer: its reply direction.
    write_tuple(message, CTA_TUPLE_REPLY, listener, peer);
    const Bytes bytes = message.finish();
    Result<Endpoint> source = fail(ErrorCode::internal, "asking ctnetlink");
    if (::send(descriptor, bytes.data(), bytes.size(), 0) < 0)
        source = fail_errno(errno, "asking ctnetlink");
    else
        source = read_answer(descriptor);
    ::close(descriptor);
    return source;
}

} // namespace hawser::host
