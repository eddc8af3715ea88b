// Numbers that nobody else will come upon: ids that are made without asking anybody.
#pragma once

#include <cstdint>

namespace hawser {

// 64 bits from the kernel; never zero.
[[nodiscard]] std::uint64_t new_unique_id();

} // namespace hawser
