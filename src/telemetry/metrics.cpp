#include "telemetry/metrics.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "telemetry/prometheus.h"

namespace hawser::telemetry {
namespace {

constexpr std::string_view overflow_label = "other";

// Labels and their lengths, so that no value can imitate two.
void append_key(std::string& key, std::string_view value) {
    key.append(std::to_string(value.size())).append(":").append(value);
}

void make_key(std::string& key, Metric metric, std::span<const std::string_view> labels) {
    key.assign(1, static_cast<char>(metric));
    for (const std::string_view label : labels) append_key(key, label);
}

SeriesNamePtr make_name(Metric metric, std::span<const std::string_view> labels) {
    const MetricInfo& described = info(metric);
    SeriesName name{.metric = metric, .labels = {}};
    for (std::size_t i = 0; i < labels.size(); ++i) {
        if (i > 0) name.labels += ',';
        name.labels.append(described.label_names[i]).append("=\"");
        name.labels.append(escape_label(labels[i])).append("\"");
    }
    return std::make_shared<const SeriesName>(std::move(name));
}

template <typename Value>
bool fits(MetricType type) {
    if constexpr (std::is_same_v<Value, Counter>) return type == MetricType::counter;
    if constexpr (std::is_same_v<Value, Gauge>)
        return type == MetricType::gauge || type == MetricType::real_counter;
    return std::is_same_v<Value, Histogram> && type == MetricType::histogram;
}

} // namespace

void Histogram::observe(double seconds) {
    const auto bucket = std::ranges::lower_bound(seconds_buckets, seconds);
    ++buckets[static_cast<std::size_t>(bucket - seconds_buckets.begin())];
    sum += seconds;
}

template <typename Value>
Value& WorkerMetrics::find_or_add(Table<Value>& table, Metric metric,
                                  std::span<const std::string_view> labels) {
    HAWSER_CHECK(fits<Value>(info(metric).type) && labels.size() == info(metric).label_count());
    make_key(key_, metric, labels);
    if (auto found = table.by_key.find(key_); found != table.by_key.end()) return *found->second;
    auto& count = series_count_[static_cast<std::size_t>(metric)];
    std::array<std::string_view, max_labels> others;
    if (count >= series_per_metric) {
        others.fill(overflow_label);
        labels = std::span(others).first(labels.size());
        make_key(key_, metric, labels);
        if (metric != Metric::metrics_overflow) {
            counter(Metric::metrics_overflow, {info(metric).name}).add();
            make_key(key_, metric, labels);
        }
        if (auto found = table.by_key.find(key_); found != table.by_key.end())
            return *found->second;
    }
    ++count;
    table.all.push_back({.name = make_name(metric, labels), .value = {}});
    table.by_key.emplace(key_, &table.all.back().value);
    return table.all.back().value;
}

Counter& WorkerMetrics::counter(Metric metric, std::initializer_list<std::string_view> labels) {
    return find_or_add(counters_, metric, {labels.begin(), labels.size()});
}

Gauge& WorkerMetrics::gauge(Metric metric, std::initializer_list<std::string_view> labels) {
    return find_or_add(gauges_, metric, {labels.begin(), labels.size()});
}

Histogram& WorkerMetrics::histogram(Metric metric, std::initializer_list<std::string_view> labels) {
    return find_or_add(histograms_, metric, {labels.begin(), labels.size()});
}

const ConnectionMetrics& WorkerMetrics::connection(const ConnectionLabels& labels) {
    const std::array<std::string_view, max_labels> given = {labels.reporter,
                                                            labels.source_workload,
                                                            labels.source_principal,
                                                            labels.destination_service,
                                                            labels.destination_workload,
                                                            labels.destination_principal,
                                                            labels.request_protocol,
                                                            labels.response_flags,
                                                            labels.connection_security_policy};
    std::array<std::string_view, max_labels> values;
    std::ranges::transform(given, values.begin(), [](std::string_view value) {
        return value.empty() ? std::string_view("unknown") : value;
    });
    make_key(key_, Metric::tcp_sent_bytes, values);
    if (auto found = connections_.find(key_); found != connections_.end()) return found->second;
    // Beyond the cap the counters are those of "other"; remembering each name would not be bounded.
    const bool full = connections_.size() >= series_per_metric;
    const std::string key = full ? std::string() : key_;
    const std::span<const std::string_view> all(values);
    const ConnectionMetrics made = {
        .sent_bytes = &find_or_add(counters_, Metric::tcp_sent_bytes, all),
        .received_bytes = &find_or_add(counters_, Metric::tcp_received_bytes, all),
        .opened = &find_or_add(counters_, Metric::tcp_connections_opened, all),
        .closed = &find_or_add(counters_, Metric::tcp_connections_closed, all)};
    return connections_.insert_or_assign(key, made).first->second;
}

void WorkerMetrics::clear(Metric metric) {
    HAWSER_CHECK(fits<Gauge>(info(metric).type));
    std::erase_if(gauges_.by_key,
                  [&](const auto& entry) { return entry.first[0] == static_cast<char>(metric); });
    std::erase_if(gauges_.all, [&](const auto& series) { return series.name->metric == metric; });
    series_count_[static_cast<std::size_t>(metric)] = 0;
}

MetricsSnapshot WorkerMetrics::snapshot() const {
    return {.counters = {counters_.all.begin(), counters_.all.end()},
            .gauges = {gauges_.all.begin(), gauges_.all.end()},
            .histograms = {histograms_.all.begin(), histograms_.all.end()}};
}

} // namespace hawser::telemetry
