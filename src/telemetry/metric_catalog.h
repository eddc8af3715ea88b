// Every metric hawser has, once: name, help, type and labels. A new one is a row here and the call
// that counts it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hawser::telemetry {

enum class Metric : std::uint8_t {
    // Istio's, so that its dashboards work
    tcp_sent_bytes,
    tcp_received_bytes,
    tcp_connections_opened,
    tcp_connections_closed,
    // the data plane's
    connections_open,
    connections_refused,
    connections_cut,
    connect_seconds,
    policy_decisions,
    tunnels_open,
    tunnel_handshakes,
    tunnel_handshake_seconds,
    tunnel_streams_open,
    tunnel_streams,
    // the control loop's
    instance_health,
    certificate_expiry_seconds,
    certificate_renewals,
    config_index,
    server_connected,
    interception_intact,
    dns_queries,
    access_log_records,
    access_log_dropped,
    metrics_overflow,
    build_info,
    // the process's
    process_cpu_seconds,
    process_resident_memory_bytes,
    process_open_fds,
    process_max_fds,
    process_start_time_seconds,
};
inline constexpr std::size_t metric_count =
    static_cast<std::size_t>(Metric::process_start_time_seconds) + 1;

enum class MetricType : std::uint8_t {
    counter,      // whole numbers that only grow
    real_counter, // fractions that only grow; set like a gauge, exposed as a counter
    gauge,
    histogram,
};

inline constexpr std::size_t max_labels = 9;
// Of one metric in one shard; about 1 MB a shard when every metric that peers can influence is
// full.
inline constexpr std::size_t series_per_metric = 2'000;

struct MetricInfo {
    Metric metric;
    MetricType type;
    std::string_view name;
    std::string_view help;
    std::array<std::string_view, max_labels> label_names; // "" behind the last

    [[nodiscard]] std::size_t label_count() const;
};

[[nodiscard]] const MetricInfo& info(Metric metric);
[[nodiscard]] std::span<const MetricInfo> catalog();

// Upper bounds of a histogram's buckets, in seconds; +Inf follows.
inline constexpr std::array<double, 14> seconds_buckets = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

} // namespace hawser::telemetry
