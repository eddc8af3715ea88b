#include "host/interfaces.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "host/socket_address.h"
#include "io/socket.h"

namespace hawser::host {
namespace {

class UdpSocket {
  public:
    explicit UdpSocket(int family) : descriptor_(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
    UdpSocket(const UdpSocket&) = delete;
    UdpSocket& operator=(const UdpSocket&) = delete;
    ~UdpSocket() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    [[nodiscard]] int get() const { return descriptor_; }

  private:
    int descriptor_;
};

} // namespace

Result<IpAddress> source_address(const Endpoint& server) {
    SocketAddress address(server);
    const UdpSocket socket(address.family());
    const std::string step = "finding the address towards " + server.to_string();
    if (socket.get() < 0) return fail_errno(errno, step);
    if (::connect(socket.get(), address.data(), address.length) != 0)
        return fail_errno(errno, step);
    auto local = io::local_endpoint(socket.get());
    if (!local) return fail(std::move(local.error()), step);
    return local->address;
}

bool ipv6_available() {
    return is_own_address(IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
}

bool is_own_address(const IpAddress& address) {
    SocketAddress wanted(Endpoint{address, 0});
    const UdpSocket socket(wanted.family());
    return socket.get() >= 0 && !address.is_unspecified() &&
           ::bind(socket.get(), wanted.data(), wanted.length) == 0;
}

} // namespace hawser::host
