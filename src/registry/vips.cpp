#include "registry/vips.h"

#include <algorithm>
#include <array>

namespace hawser::registry {

namespace {

// 2^62 addresses are more than anybody can use up, and leave room to calculate.
constexpr unsigned most_host_bits = 62;

struct Offsets {
    std::uint64_t first = 1;
    std::uint64_t last = 0;
};

Offsets usable_offsets(const Cidr& range) {
    const unsigned family_bits = range.base.is_v4() ? 32 : 128;
    const unsigned host_bits = std::min(family_bits - range.length, most_host_bits);
    const std::uint64_t size = std::uint64_t{1} << host_bits;
    const std::uint64_t reserved_at_end = range.base.is_v4() ? 2 : 1;
    return {.first = 1, .last = size > reserved_at_end ? size - reserved_at_end : 0};
}

IpAddress address_at(const Cidr& range, std::uint64_t offset) {
    if (range.base.is_v4()) {
        return IpAddress::v4(range.base.v4_host_order() + static_cast<std::uint32_t>(offset));
    }
    std::array<std::uint8_t, 16> bytes = range.base.bytes();
    for (int at = 15; at >= 8; --at, offset >>= 8) bytes[at] |= static_cast<std::uint8_t>(offset);
    return IpAddress::v6(bytes);
}

} // namespace

std::optional<IpAddress> allocate_vip(const Cidr& range, std::uint64_t& cursor,
                                      std::size_t taken_count,
                                      const std::function<bool(const IpAddress&)>& taken) {
    const Offsets usable = usable_offsets(range);
    if (usable.last < usable.first) return std::nullopt;
    const std::uint64_t tries = std::min<std::uint64_t>(usable.last, taken_count + 1);
    std::uint64_t offset = cursor;
    for (std::uint64_t tried = 0; tried < tries; ++tried, ++offset) {
        if (offset < usable.first || offset > usable.last) offset = usable.first;
        const IpAddress address = address_at(range, offset);
        if (taken(address)) continue;
        cursor = offset + 1;
        return address;
    }
    return std::nullopt;
}

} // namespace hawser::registry
