#include "telemetry/collector.h"

#include <memory>
#include <utility>

#include "io/signal.h"
#include "telemetry/prometheus.h"

namespace hawser::telemetry {
namespace {

// The answers of a scrape. Shared with the workers' posted functions, because one of them may run
// long after the scrape has given up on it. Touched on the control loop only.
struct Gathering {
    explicit Gathering(io::Executor control) : executor(control), complete(control) {}
    io::Executor executor;
    io::Signal complete;
    std::vector<MetricsSnapshot> answers;
    std::size_t missing = 0;
};

// On the worker's loop.
void answer(const std::shared_ptr<Gathering>& gathering, const WorkerMetrics& metrics) {
    asio::post(gathering->executor, [gathering, snapshot = metrics.snapshot()]() mutable {
        gathering->answers.push_back(std::move(snapshot));
        if (--gathering->missing == 0) gathering->complete.notify();
    });
}

} // namespace

MetricsCollector::MetricsCollector(io::Executor control, WorkerMetrics& own)
    : control_(control), own_(own) {}

void MetricsCollector::add(io::Loop& loop, WorkerMetrics& metrics) {
    shards_.push_back({.loop = &loop, .metrics = &metrics});
}

void MetricsCollector::remove(io::Loop& loop) {
    std::erase_if(shards_, [&](const Shard& shard) { return shard.loop == &loop; });
}

void MetricsCollector::refresh_with(std::function<void(WorkerMetrics&)> refresh) {
    refreshers_.push_back(std::move(refresh));
}

io::Task<std::string> MetricsCollector::scrape(std::chrono::milliseconds timeout) {
    auto gathering = std::make_shared<Gathering>(control_);
    gathering->missing = shards_.size();
    for (const Shard& shard : shards_)
        shard.loop->post([gathering, metrics = shard.metrics] { answer(gathering, *metrics); });
    for (const auto& refresh : refreshers_) refresh(own_);
    if (!shards_.empty()) (void)co_await gathering->complete.wait_for(timeout);
    auto answers = std::move(gathering->answers);
    answers.push_back(own_.snapshot());
    co_return to_prometheus(answers);
}

} // namespace hawser::telemetry
