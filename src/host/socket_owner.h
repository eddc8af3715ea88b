// Which user opened the connection a listener just accepted: the kernel's own record of the
// caller's socket, asked for exactly (NETLINK_SOCK_DIAG), never a scan of /proc.
//
// One object per data-plane worker; each keeps one netlink socket. Synchronous, about 10 µs.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/ip.h"
#include "base/result.h"

namespace hawser::host {

struct SocketOwner {
    uid_t uid = 0;
    std::uint32_t inode = 0;
};

class SocketOwnerLookup {
  public:
    [[nodiscard]] static Result<SocketOwnerLookup> open();
    SocketOwnerLookup(SocketOwnerLookup&& other) noexcept;
    SocketOwnerLookup& operator=(SocketOwnerLookup&& other) noexcept;
    ~SocketOwnerLookup();

    // The TCP socket of this host (and network namespace) whose own endpoint is `caller` and that
    // was dialled to `dialled`: the accepted connection's peer endpoint and its original
    // destination. IPv4 sockets and IPv6 sockets that speak IPv4 are both found. not_found: the
    // caller closed it already, or is not of this host.
    [[nodiscard]] Result<SocketOwner> find(const Endpoint& caller, const Endpoint& dialled);

  private:
    explicit SocketOwnerLookup(int descriptor) : descriptor_(descriptor) {}
    [[nodiscard]] Result<SocketOwner> ask(std::uint8_t family, const Endpoint& caller,
                                          const Endpoint& dialled);

    int descriptor_ = -1;
    std::uint32_t sequence_ = 0;
};

} // namespace hawser::host
