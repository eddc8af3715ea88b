#include "telemetry/prometheus.h"

#include <charconv>
#include <cmath>
#include <map>

#include "base/bytes.h"

namespace hawser::telemetry {
namespace {

void append_number(std::string& text, double value) {
    if (std::isnan(value)) {
        text += "NaN";
        return;
    }
    if (std::isinf(value)) {
        text += value > 0 ? "+Inf" : "-Inf";
        return;
    }
    // 0.0005 rather than 5e-04, as long as that stays short.
    const double size = std::abs(value);
    const bool plain = size == 0 || (size >= 1e-6 && size < 1e15);
    char buffer[64];
    const auto [end, error] =
        std::to_chars(buffer, buffer + sizeof buffer, value,
                      plain ? std::chars_format::fixed : std::chars_format::scientific);
    text.append(buffer, end);
}

void append_sample(std::string& text, std::string_view name, std::string_view labels) {
    text.append(name);
    if (!labels.empty()) text.append("{").append(labels).append("}");
    text += ' ';
}

// All series of a metric summed over the shards, by label text.
template <typename Value>
using Summed = std::map<Metric, std::map<std::string_view, Value>>;

void add(Counter& to, const Counter& from) {
    to.value += from.value;
}
void add(Gauge& to, const Gauge& from) {
    to.value += from.value;
}
void add(Histogram& to, const Histogram& from) {
    for (std::size_t i = 0; i < to.buckets.size(); ++i) to.buckets[i] += from.buckets[i];
    to.sum += from.sum;
}

template <typename Value>
Summed<Value> sum(std::span<const MetricsSnapshot> shards,
                  std::vector<Series<Value>> MetricsSnapshot::* table) {
    Summed<Value> total;
    for (const MetricsSnapshot& shard : shards)
        for (const Series<Value>& series : shard.*table)
            add(total[series.name->metric][series.name->labels], series.value);
    return total;
}

void write(std::string& text, const MetricInfo& metric, std::string_view labels,
           const Counter& counter) {
    append_sample(text, metric.name, labels);
    text.append(std::to_string(counter.value)).append("\n");
}

void write(std::string& text, const MetricInfo& metric, std::string_view labels,
           const Gauge& gauge) {
    append_sample(text, metric.name, labels);
    append_number(text, gauge.value);
    text += '\n';
}

void write(std::string& text, const MetricInfo& metric, std::string_view labels,
           const Histogram& histogram) {
    const std::string name(metric.name);
    const std::string before(labels.empty() ? "" : std::string(labels) + ",");
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < histogram.buckets.size(); ++i) {
        count += histogram.buckets[i];
        std::string bound = "+Inf";
        if (i < seconds_buckets.size()) {
            bound.clear();
            append_number(bound, seconds_buckets[i]);
        }
        append_sample(text, name + "_bucket", before + "le=\"" + bound + "\"");
        text.append(std::to_string(count)).append("\n");
    }
    append_sample(text, name + "_sum", labels);
    append_number(text, histogram.sum);
    text += '\n';
    append_sample(text, name + "_count", labels);
    text.append(std::to_string(count)).append("\n");
}

std::string_view type_name(MetricType type) {
    switch (type) {
        case MetricType::counter:
        case MetricType::real_counter: return "counter";
        case MetricType::gauge: return "gauge";
        case MetricType::histogram: return "histogram";
    }
    return "untyped";
}

template <typename Value>
void write_family(std::string& text, const MetricInfo& metric, const Summed<Value>& summed) {
    const auto found = summed.find(metric.metric);
    if (found == summed.end()) return;
    text.append("# HELP ").append(metric.name).append(" ").append(metric.help);
    text.append("\n# TYPE ").append(metric.name).append(" ").append(type_name(metric.type));
    text += '\n';
    for (const auto& [labels, value] : found->second) write(text, metric, labels, value);
}

} // namespace

std::string to_prometheus(std::span<const MetricsSnapshot> shards) {
    const auto counters = sum(shards, &MetricsSnapshot::counters);
    const auto gauges = sum(shards, &MetricsSnapshot::gauges);
    const auto histograms = sum(shards, &MetricsSnapshot::histograms);
    std::string text;
    for (const MetricInfo& metric : catalog()) {
        write_family(text, metric, counters);
        write_family(text, metric, gauges);
        write_family(text, metric, histograms);
    }
    return text;
}

std::string escape_label(std::string_view value) {
    std::string text;
    text.reserve(value.size());
    while (!value.empty()) {
        const std::size_t length = utf8_sequence_length(value);
        const std::size_t taken = length == 0 ? 1 : length;
        switch (value.front()) {
            case '\\': text += "\\\\"; break;
            case '"': text += "\\\""; break;
            case '\n': text += "\\n"; break;
            default: text.append(length == 0 ? "?" : value.substr(0, length));
        }
        value.remove_prefix(taken);
    }
    return text;
}

} // namespace hawser::telemetry
