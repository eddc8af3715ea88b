// Routes for the VIP ranges: the kernel redirects a connection only after it found a route for
// it, and a host without a default route has none for 240.0.0.0/8. `<range> dev lo` is enough.
//
// Straight rtnetlink. Our routes carry a protocol number of their own, so that only ours are ever
// removed. Blocking, microseconds; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace hawser::host {

// `ip route show proto 104`. Not in /etc/iproute2/rt_protos.
inline constexpr std::uint8_t route_protocol = 104;
inline constexpr std::uint32_t route_metric = 1040; // any route an operator made wins

// Adds the route unless it is there. The source address of connections made through it is
// 127.0.0.1 or ::1. Needs CAP_NET_ADMIN, and lo up.
[[nodiscard]] Result<void> add_vip_route(const Cidr& range);
// Removes our route for the range; fine if there is none.
[[nodiscard]] Result<void> remove_vip_route(const Cidr& range);
// The ranges of all routes with our protocol number, whoever left them.
[[nodiscard]] Result<std::vector<Cidr>> vip_routes();
// Removes all of them.
[[nodiscard]] Result<void> remove_vip_routes();

} // namespace hawser::host
