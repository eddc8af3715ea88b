// What the host's network offers: the address to tell others, and whether IPv6 works.
// Sends nothing; any thread.
#pragma once

#include "base/ip.h"
#include "base/result.h"

namespace hawser::host {

// The address this host would use as source towards `server`, found by the kernel's routing:
// what an agent advertises when its tunnel listens on every address.
[[nodiscard]] Result<IpAddress> source_address(const Endpoint& server);

// IPv6 loopback can be bound: the kernel has IPv6 and lo has ::1.
[[nodiscard]] bool ipv6_available();

// An address of this host (it can be bound).
[[nodiscard]] bool is_own_address(const IpAddress& address);

} // namespace hawser::host
