// Metrics as plain memory: each loop owns a WorkerMetrics and alone touches it, so counting is an
// addition, without locks or atomics. The series of a label set is made once; a connection holds
// pointers to its counters. A scrape (collector.h) asks each loop for a snapshot and sums them.
//
// Label values come from peers and users: at most series_per_metric of a metric
// exist in a shard; what comes later is counted in one series whose labels all read "other".
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "telemetry/metric_catalog.h"

namespace hawser::telemetry {

struct Counter {
    std::uint64_t value = 0;
    void add(std::uint64_t amount = 1) { value += amount; }
};

struct Gauge {
    double value = 0;
    void set(double now) { value = now; }
    void add(double amount) { value += amount; }
};

struct Histogram {
    std::array<std::uint64_t, seconds_buckets.size() + 1> buckets{}; // each its own, not cumulative
    double sum = 0;
    void observe(double seconds);
    void observe(std::chrono::nanoseconds duration) {
        observe(std::chrono::duration<double>(duration).count());
    }
};

// Which series of which metric. Immutable, shared with snapshots on other threads.
struct SeriesName {
    Metric metric;
    std::string labels; // escaped, as between the braces of the text format; may be empty
};
using SeriesNamePtr = std::shared_ptr<const SeriesName>;

template <typename Value>
struct Series {
    SeriesNamePtr name;
    Value value;
};

// A shard's values at one moment.
struct MetricsSnapshot {
    std::vector<Series<Counter>> counters;
    std::vector<Series<Gauge>> gauges;
    std::vector<Series<Histogram>> histograms;
};

// The labels of Istio's TCP metrics. Empty values are written as "unknown".
struct ConnectionLabels {
    std::string_view reporter;             // "source": the caller's agent, "destination": the other
    std::string_view source_workload;      // service name
    std::string_view source_principal;     // SPIFFE id
    std::string_view destination_service;  // "api.mesh"
    std::string_view destination_workload; // "api"
    std::string_view destination_principal;
    std::string_view request_protocol = "tcp";
    std::string_view response_flags = "-"; // Envoy's code; "-" while all is well
    std::string_view connection_security_policy = "mutual_tls";
};

struct ConnectionMetrics {
    Counter* sent_bytes = nullptr;     // towards the caller, as Istio counts
    Counter* received_bytes = nullptr; // from the caller
    Counter* opened = nullptr;
    Counter* closed = nullptr;
};

class WorkerMetrics {
  public:
    WorkerMetrics() = default;
    WorkerMetrics(const WorkerMetrics&) = delete;
    WorkerMetrics& operator=(const WorkerMetrics&) = delete;

    // Label values in the catalogue's order. References stay valid as long as this object. Asking
    // for a metric by another type than the catalogue's is a bug and aborts.
    [[nodiscard]] Counter& counter(Metric metric,
                                   std::initializer_list<std::string_view> labels = {});
    [[nodiscard]] Gauge& gauge(Metric metric, std::initializer_list<std::string_view> labels = {});
    [[nodiscard]] Histogram& histogram(Metric metric,
                                       std::initializer_list<std::string_view> labels = {});
    // The four counters of a kind of connection, by one lookup. A connection that ends with a flag
    // asks again with it, for `closed`.
    [[nodiscard]] const ConnectionMetrics& connection(const ConnectionLabels& labels);

    // Removes a gauge's series, for things which come and go; references to them become invalid.
    void clear(Metric metric);

    [[nodiscard]] MetricsSnapshot snapshot() const;

  private:
    // Values stay where they are: `all` gives the pointers out, `by_key` finds them.
    template <typename Value>
    struct Table {
        std::list<Series<Value>> all;
        std::unordered_map<std::string, Value*> by_key;
    };
    template <typename Value>
    [[nodiscard]] Value& find_or_add(Table<Value>& table, Metric metric,
                                     std::span<const std::string_view> labels);
    [[nodiscard]] ConnectionMetrics make_connection(const ConnectionLabels& labels);

    Table<Counter> counters_;
    Table<Gauge> gauges_;
    Table<Histogram> histograms_;
    std::array<std::uint32_t, metric_count> series_count_{};
    std::unordered_map<std::string, ConnectionMetrics> connections_;
    std::string key_; // kept, so that lookups don't allocate
};

} // namespace hawser::telemetry
