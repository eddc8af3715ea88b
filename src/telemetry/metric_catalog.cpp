#include "telemetry/metric_catalog.h"

#include <algorithm>

namespace hawser::telemetry {
namespace {

using enum MetricType;

constexpr std::array<std::string_view, max_labels> istio_tcp = {"reporter",
                                                                "source_workload",
                                                                "source_principal",
                                                                "destination_service",
                                                                "destination_workload",
                                                                "destination_principal",
                                                                "request_protocol",
                                                                "response_flags",
                                                                "connection_security_policy"};

constexpr std::array<MetricInfo, metric_count> all = {{
    {Metric::tcp_sent_bytes, counter, "istio_tcp_sent_bytes_total",
     "Bytes sent to the caller of a TCP connection.", istio_tcp},
    {Metric::tcp_received_bytes, counter, "istio_tcp_received_bytes_total",
     "Bytes received from the caller of a TCP connection.", istio_tcp},
    {Metric::tcp_connections_opened, counter, "istio_tcp_connections_opened_total",
     "TCP connections opened.", istio_tcp},
    {Metric::tcp_connections_closed, counter, "istio_tcp_connections_closed_total",
     "TCP connections closed.", istio_tcp},
    {Metric::connections_open,
     gauge,
     "hawser_connections_open",
     "Connections being carried now.",
     {}},
    {Metric::connections_refused,
     counter,
     "hawser_connections_refused_total",
     "Connections that were not carried, by response flag (or \"plaintext\").",
     {"reason"}},
    {Metric::connections_cut,
     counter,
     "hawser_connections_cut_total",
     "Open connections that were cut because the mesh no longer lets them be, by response flag.",
     {"reason"}},
    {Metric::connect_seconds,
     histogram,
     "hawser_connect_seconds",
     "Time from accepting a connection until its other side is connected.",
     {"reporter"}},
    {Metric::policy_decisions,
     counter,
     "hawser_policy_decisions_total",
     "Decisions about connections, by the rule that decided (\"default\": none matched).",
     {"destination_service", "policy", "decision"}},
    {Metric::tunnels_open,
     gauge,
     "hawser_tunnels_open",
     "Sessions with other agents open now.",
     {"side"}},
    {Metric::tunnel_handshakes,
     counter,
     "hawser_tunnel_handshakes_total",
     "TLS handshakes with other agents.",
     {"side", "result"}},
    {Metric::tunnel_handshake_seconds,
     histogram,
     "hawser_tunnel_handshake_seconds",
     "Time of a handshake with another agent, connecting included.",
     {"side"}},
    {Metric::tunnel_streams_open,
     gauge,
     "hawser_tunnel_streams_open",
     "Streams within tunnels open now.",
     {"side"}},
    {Metric::tunnel_streams,
     counter,
     "hawser_tunnel_streams_total",
     "Streams opened within tunnels.",
     {"side"}},
    {Metric::instance_health,
     gauge,
     "hawser_instance_health",
     "1 for the state an instance of this host is in, 0 for the others.",
     {"service", "port", "state"}},
    {Metric::certificate_expiry_seconds,
     gauge,
     "hawser_certificate_expiry_seconds",
     "Time until a certificate of this process expires.",
     {"identity"}},
    {Metric::certificate_renewals,
     counter,
     "hawser_certificate_renewals_total",
     "Certificates asked for, each try, by what came of it (\"ok\", \"failed\").",
     {"result"}},
    {Metric::config_index,
     gauge,
     "hawser_config_index",
     "Registry index this process enforces.",
     {}},
    {Metric::server_connected,
     gauge,
     "hawser_server_connected",
     "1 while this agent has a session with a server.",
     {}},
    {Metric::interception_intact,
     gauge,
     "hawser_interception_intact",
     "1 while the kernel rules are what this agent applied.",
     {}},
    {Metric::dns_queries,
     counter,
     "hawser_dns_queries_total",
     "DNS queries, by what became of them.",
     {"result"}},
    {Metric::access_log_records,
     counter,
     "hawser_access_log_records_total",
     "Access log records written.",
     {}},
    {Metric::access_log_dropped,
     counter,
     "hawser_access_log_dropped_total",
     "Access log records dropped because the log was too slow.",
     {}},
    {Metric::metrics_overflow,
     counter,
     "hawser_metrics_overflow_total",
     "Lookups that found a metric full and were counted under \"other\".",
     {"metric"}},
    {Metric::build_info, gauge, "hawser_build_info", "1; the labels tell.", {"version", "commit"}},
    {Metric::process_cpu_seconds,
     real_counter,
     "process_cpu_seconds_total",
     "User and system time spent.",
     {}},
    {Metric::process_resident_memory_bytes,
     gauge,
     "process_resident_memory_bytes",
     "Resident memory.",
     {}},
    {Metric::process_open_fds, gauge, "process_open_fds", "Open file descriptors.", {}},
    {Metric::process_max_fds, gauge, "process_max_fds", "Most file descriptors allowed.", {}},
    {Metric::process_start_time_seconds,
     gauge,
     "process_start_time_seconds",
     "When the process began, in seconds since the Unix epoch.",
     {}},
}};

// info() is an array access: each row must stand where its metric's number says.
consteval bool rows_in_order() {
    for (std::size_t i = 0; i < all.size(); ++i)
        if (static_cast<std::size_t>(all[i].metric) != i || all[i].name.empty()) return false;
    return true;
}
static_assert(rows_in_order());

} // namespace

std::size_t MetricInfo::label_count() const {
    return static_cast<std::size_t>(std::ranges::find(label_names, "") - label_names.begin());
}

const MetricInfo& info(Metric metric) {
    return all[static_cast<std::size_t>(metric)];
}

std::span<const MetricInfo> catalog() {
    return all;
}

} // namespace hawser::telemetry
