// Durations, sizes and wall-clock times as users write and read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser {

using Duration = std::chrono::milliseconds;

// A wall-clock instant, milliseconds since the Unix epoch. Zero means "not set".
using WallTime = std::int64_t;

// "250ms", "10s", "5m", "24h", "7d" and sums of them ("1h30m"); "0s" is zero. Unsigned.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
// The shortest exact form that parse_duration reads back: 90000ms → "1m30s".
[[nodiscard]] std::string format_duration(Duration value);

// "512", "64KiB", "16MiB", "1GiB" (also kB, MB, GB as powers of ten).
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

// RFC 3339 in UTC with seconds: "2026-01-02T03:04:05Z".
[[nodiscard]] std::string format_time(WallTime time);

} // namespace hawser
