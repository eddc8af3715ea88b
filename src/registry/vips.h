// Which virtual addresses services get. The next one is always the one after the last given, so
// an address that was freed is not used again before the range is exhausted: a client that still
// has it cached reaches nobody, not somebody else.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/ip.h"

namespace hawser::registry {

// The place in each range from which the next search begins, counted from the range's base. Part
// of the replicated state: replicas must agree on it though it follows from no row.
struct VipCursors {
    std::uint64_t next4 = 1;
    std::uint64_t next6 = 1;
    bool operator==(const VipCursors&) const = default;
};

// The first free address at or after the cursor, which moves behind it; wraps at the end. The
// range's first address, and the last of an IPv4 range, are never given: they look like the
// network's own. `taken_count` bounds the search. Empty: the range is exhausted.
[[nodiscard]] std::optional<IpAddress> allocate_vip(
    const Cidr& range, std::uint64_t& cursor, std::size_t taken_count,
    const std::function<bool(const IpAddress&)>& taken);

} // namespace hawser::registry
