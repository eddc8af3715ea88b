#include "telemetry/metrics.h"

#include <doctest/doctest.h>

#include <limits>
#include <set>

#include "telemetry/prometheus.h"

using namespace hawser::telemetry;

namespace {

std::string text_of(const WorkerMetrics& metrics) {
    const MetricsSnapshot snapshots[] = {metrics.snapshot()};
    return to_prometheus(snapshots);
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).contains("\n" + line + "\n");
}

} // namespace

TEST_CASE("the catalogue follows Prometheus' rules for names") {
    std::set<std::string_view> names;
    for (const MetricInfo& metric : catalog()) {
        CAPTURE(metric.name);
        CHECK(names.insert(metric.name).second);
        const bool counts =
            metric.type == MetricType::counter || metric.type == MetricType::real_counter;
        CHECK(metric.name.ends_with("_total") == counts);
        CHECK(metric.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos);
        CHECK(metric.help.ends_with("."));
        for (const std::string_view label : metric.label_names)
            CHECK(label.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos);
    }
}

TEST_CASE("counters, gauges and histograms come out as text") {
    WorkerMetrics metrics;
    metrics.counter(Metric::tunnel_handshakes, {"client", "ok"}).add(3);
    metrics.gauge(Metric::config_index).set(42);
    metrics.gauge(Metric::process_cpu_seconds).set(1.5);
    Histogram& histogram = metrics.histogram(Metric::tunnel_handshake_seconds, {"client"});
    histogram.observe(0.0005); // a bound belongs to its bucket
    histogram.observe(std::chrono::milliseconds(3));
    histogram.observe(100.0);
    const std::string text = text_of(metrics);
    CHECK(has_line(text, "# TYPE hawser_tunnel_handshakes_total counter"));
    CHECK(has_line(text, "hawser_tunnel_handshakes_total{side=\"client\",result=\"ok\"} 3"));
    CHECK(has_line(text, "# TYPE hawser_config_index gauge"));
    CHECK(has_line(text, "hawser_config_index 42"));
    CHECK(has_line(text, "# TYPE process_cpu_seconds_total counter"));
    CHECK(has_line(text, "process_cpu_seconds_total 1.5"));
    const std::string bucket = "hawser_tunnel_handshake_seconds_bucket{side=\"client\",le=";
    CHECK(has_line(text, bucket + "\"0.0005\"} 1"));
    CHECK(has_line(text, bucket + "\"0.0025\"} 1"));
    CHECK(has_line(text, bucket + "\"0.005\"} 2"));
    CHECK(has_line(text, bucket + "\"10\"} 2"));
    CHECK(has_line(text, bucket + "\"+Inf\"} 3"));
    CHECK(has_line(text, "hawser_tunnel_handshake_seconds_sum{side=\"client\"} 100.0035"));
    CHECK(has_line(text, "hawser_tunnel_handshake_seconds_count{side=\"client\"} 3"));
    CHECK_FALSE(text.contains("istio_"));
}

TEST_CASE("a connection's four counters carry Istio's names and labels") {
    WorkerMetrics metrics;
    ConnectionLabels labels{.reporter = "source",
                            .source_workload = "web",
                            .source_principal = "spiffe://hawser.local/svc/web",
                            .destination_service = "api.mesh",
                            .destination_workload = "api",
                            .destination_principal = ""};
    const ConnectionMetrics& counters = metrics.connection(labels);
    counters.opened->add();
    counters.sent_bytes->add(10);
    counters.received_bytes->add(20);
    labels.response_flags = "UC";
    metrics.connection(labels).closed->add();
    const auto line = [](const char* name, const char* flags, const char* value) {
        return std::string(name) +
               "{reporter=\"source\",source_workload=\"web\",source_principal=\"spiffe://"
               "hawser.local/svc/web\",destination_service=\"api.mesh\",destination_workload="
               "\"api\",destination_principal=\"unknown\",request_protocol=\"tcp\",response_flags="
               "\"" +
               flags + "\",connection_security_policy=\"mutual_tls\"} " + value;
    };
    const std::string text = text_of(metrics);
    CHECK(has_line(text, line("istio_tcp_connections_opened_total", "-", "1")));
    CHECK(has_line(text, line("istio_tcp_connections_closed_total", "UC", "1")));
    CHECK(has_line(text, line("istio_tcp_sent_bytes_total", "-", "10")));
    CHECK(has_line(text, line("istio_tcp_received_bytes_total", "-", "20")));
}

TEST_CASE("the same labels give the same series, and references stay good") {
    WorkerMetrics metrics;
    Counter& first = metrics.counter(Metric::dns_queries, {"answered"});
    for (int i = 0; i < 1000; ++i) metrics.counter(Metric::dns_queries, {std::to_string(i)}).add();
    first.add(5);
    CHECK(&metrics.counter(Metric::dns_queries, {"answered"}) == &first);
    CHECK(has_line(text_of(metrics), "hawser_dns_queries_total{result=\"answered\"} 5"));
    // No value may pass for two.
    CHECK(&metrics.counter(Metric::tunnel_handshakes, {"a1:", "b"}) !=
          &metrics.counter(Metric::tunnel_handshakes, {"a", "1:b"}));
}

TEST_CASE("shards are added up") {
    WorkerMetrics one, two;
    one.counter(Metric::tunnel_streams, {"client"}).add(1);
    two.counter(Metric::tunnel_streams, {"client"}).add(2);
    two.counter(Metric::tunnel_streams, {"server"}).add(4);
    one.gauge(Metric::connections_open).set(3);
    two.gauge(Metric::connections_open).set(4);
    one.histogram(Metric::connect_seconds, {"source"}).observe(0.5);
    two.histogram(Metric::connect_seconds, {"source"}).observe(0.25);
    const MetricsSnapshot snapshots[] = {one.snapshot(), two.snapshot()};
    const std::string text = to_prometheus(snapshots);
    CHECK(has_line(text, "hawser_tunnel_streams_total{side=\"client\"} 3"));
    CHECK(has_line(text, "hawser_tunnel_streams_total{side=\"server\"} 4"));
    CHECK(has_line(text, "hawser_connections_open 7"));
    CHECK(has_line(text, "hawser_connect_seconds_sum{reporter=\"source\"} 0.75"));
    CHECK(has_line(text, "hawser_connect_seconds_count{reporter=\"source\"} 2"));
    CHECK(to_prometheus({}).empty());
}

TEST_CASE("names that peers invent cannot grow a metric without bound") {
    WorkerMetrics metrics;
    for (std::size_t i = 0; i < series_per_metric + 100; ++i) {
        metrics.counter(Metric::dns_queries, {std::to_string(i)}).add();
        const std::string workload = "w" + std::to_string(i);
        metrics.connection({.source_workload = workload}).opened->add();
    }
    const MetricsSnapshot snapshot = metrics.snapshot();
    CHECK(snapshot.counters.size() <= series_per_metric * 5 + 10);
    const std::string text = text_of(metrics);
    CHECK(has_line(text, "hawser_dns_queries_total{result=\"other\"} 100"));
    CHECK(has_line(text, "hawser_metrics_overflow_total{metric=\"hawser_dns_queries_total\"} 100"));
    CHECK(
        text.contains("istio_tcp_connections_opened_total{reporter=\"other\",source_workload="
                      "\"other\""));
    // What was known before goes on being told apart.
    metrics.counter(Metric::dns_queries, {"5"}).add();
    CHECK(has_line(text_of(metrics), "hawser_dns_queries_total{result=\"5\"} 2"));
}

TEST_CASE("a gauge's series can be taken away and made anew") {
    WorkerMetrics metrics;
    Gauge& index = metrics.gauge(Metric::config_index);
    metrics.gauge(Metric::certificate_expiry_seconds, {"spiffe://a/svc/old"}).set(1);
    metrics.clear(Metric::certificate_expiry_seconds);
    metrics.gauge(Metric::certificate_expiry_seconds, {"spiffe://a/svc/new"}).set(2);
    index.set(9);
    const std::string text = text_of(metrics);
    CHECK_FALSE(text.contains("svc/old"));
    CHECK(text.contains("svc/new\"} 2"));
    CHECK(has_line(text, "hawser_config_index 9"));
}

TEST_CASE("label values are escaped, and never break the text") {
    CHECK(escape_label("a\\b\"c\nd") == "a\\\\b\\\"c\\nd");
    CHECK(escape_label("grüße") == "grüße");
    CHECK(escape_label("\xff\xc3") == "??");
    WorkerMetrics metrics;
    metrics.counter(Metric::dns_queries, {"x\"} 1\nevil 2"}).add();
    CHECK(has_line(text_of(metrics), "hawser_dns_queries_total{result=\"x\\\"} 1\\nevil 2\"} 1"));
}

TEST_CASE("numbers that are none are written as Prometheus reads them") {
    WorkerMetrics metrics;
    metrics.gauge(Metric::config_index).set(std::numeric_limits<double>::quiet_NaN());
    metrics.gauge(Metric::server_connected).set(-std::numeric_limits<double>::infinity());
    metrics.gauge(Metric::interception_intact).set(1e18);
    CHECK(has_line(text_of(metrics), "hawser_config_index NaN"));
    CHECK(has_line(text_of(metrics), "hawser_server_connected -Inf"));
    CHECK(has_line(text_of(metrics), "hawser_interception_intact 1e+18"));
}
