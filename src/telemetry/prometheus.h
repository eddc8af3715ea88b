// Prometheus' text format 0.0.4 of summed snapshots. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "telemetry/metrics.h"

namespace hawser::telemetry {

inline constexpr std::string_view prometheus_content_type =
    "text/plain; version=0.0.4; charset=utf-8";

// Series with the same name and labels are added up; families in the catalogue's order, series
// sorted. Families without a series are left out.
[[nodiscard]] std::string to_prometheus(std::span<const MetricsSnapshot> shards);

// A label value with \, " and line ends escaped; bytes that are not UTF-8 become '?'.
[[nodiscard]] std::string escape_label(std::string_view value);

} // namespace hawser::telemetry
