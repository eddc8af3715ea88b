#include "telemetry/collector.h"

#include <doctest/doctest.h>

#include <asio/co_spawn.hpp>
#include <future>
#include <memory>
#include <optional>

using namespace hawser;
using namespace hawser::telemetry;

namespace {

std::string scrape(asio::io_context& control, MetricsCollector& collector,
                   std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
    std::optional<std::string> text;
    asio::co_spawn(control, collector.scrape(timeout),
                   [&](const std::exception_ptr&, std::string result) {
                       text = std::move(result);
                       control.stop();
                   });
    control.restart();
    control.run_for(std::chrono::seconds(20));
    REQUIRE(text.has_value());
    return *text;
}

} // namespace

TEST_CASE("a scrape sums the workers' shards while they count") {
    asio::io_context control(1);
    WorkerMetrics own;
    MetricsCollector collector(control.get_executor(), own);
    own.gauge(Metric::connections_open).set(1);

    std::vector<std::unique_ptr<io::Loop>> loops;
    std::vector<std::unique_ptr<WorkerMetrics>> shards;
    std::vector<std::future<void>> counted;
    for (int i = 0; i < 3; ++i) {
        loops.push_back(std::make_unique<io::Loop>("worker"));
        shards.push_back(std::make_unique<WorkerMetrics>());
        collector.add(*loops.back(), *shards.back());
        loops.back()->start();
        auto done = std::make_shared<std::promise<void>>();
        counted.push_back(done->get_future());
        for (int n = 0; n < 1000; ++n)
            loops.back()->post([metrics = shards.back().get(), n, done] {
                metrics->counter(Metric::dns_queries, {std::to_string(n % 50)}).add();
                metrics->gauge(Metric::connections_open).add(1);
                if (n == 999) done->set_value();
            });
    }
    for (int i = 0; i < 5; ++i)
        CHECK(scrape(control, collector).contains("# TYPE hawser_connections_open gauge"));
    for (auto& all : counted) all.get();
    const std::string text = scrape(control, collector);
    CHECK(text.contains("\nhawser_connections_open 3001\n"));
    CHECK(text.contains("\nhawser_dns_queries_total{result=\"7\"} 60\n"));

    collector.remove(*loops.front());
    CHECK(scrape(control, collector).contains("\nhawser_connections_open 2001\n"));
}

TEST_CASE("a worker that does not answer is left out, and may answer late") {
    asio::io_context control(1);
    WorkerMetrics own, stuck_metrics;
    stuck_metrics.gauge(Metric::connections_open).set(5);
    MetricsCollector collector(control.get_executor(), own);
    io::Loop stuck("stuck");
    collector.add(stuck, stuck_metrics); // its loop does not run yet
    own.gauge(Metric::config_index).set(1);
    const std::string text = scrape(control, collector, std::chrono::milliseconds(20));
    CHECK(text.contains("hawser_config_index 1"));
    CHECK_FALSE(text.contains("connections_open"));
    stuck.start();
    CHECK(scrape(control, collector).contains("hawser_connections_open 5"));
}

TEST_CASE("gauges are refreshed before a scrape, and the process describes itself") {
    asio::io_context control(1);
    WorkerMetrics own;
    MetricsCollector collector(control.get_executor(), own);
    int calls = 0;
    collector.refresh_with(
        [&](WorkerMetrics& metrics) { metrics.gauge(Metric::config_index).set(++calls); });
    collector.refresh_with(refresh_process_metrics);
    CHECK(scrape(control, collector).contains("hawser_config_index 1\n"));
    const std::string text = scrape(control, collector);
    CHECK(text.contains("hawser_config_index 2\n"));
    CHECK(own.gauge(Metric::process_resident_memory_bytes).value > 100'000);
    CHECK(own.gauge(Metric::process_open_fds).value >= 3);
    CHECK(own.gauge(Metric::process_max_fds).value >= 3);
    CHECK(own.gauge(Metric::process_cpu_seconds).value >= 0);
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const double age = std::chrono::duration<double>(now).count() -
                       own.gauge(Metric::process_start_time_seconds).value;
    CHECK(age > -2);
    CHECK(age < 3600);
}
