// A scrape: asks every worker's loop for its snapshot, adds the control loop's own, and writes the
// text. Used on the control loop.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "io/loop.h"
#include "telemetry/metrics.h"

namespace hawser::telemetry {

class MetricsCollector {
  public:
    // `own` is the control loop's shard.
    MetricsCollector(io::Executor control, WorkerMetrics& own);

    // A worker's loop and its shard; both outlive the collector's last scrape, or are taken out
    // with remove() first.
    void add(io::Loop& loop, WorkerMetrics& metrics);
    void remove(io::Loop& loop);
    // Called before each scrape, on the control loop: sets gauges that are read, not counted.
    void refresh_with(std::function<void(WorkerMetrics&)> refresh);

    // A loop that doesn't answer in `timeout` is left out of this scrape.
    [[nodiscard]] io::Task<std::string> scrape(
        std::chrono::milliseconds timeout = std::chrono::seconds(2));

  private:
    struct Shard {
        io::Loop* loop;
        WorkerMetrics* metrics;
    };
    io::Executor control_;
    WorkerMetrics& own_;
    std::vector<Shard> shards_;
    std::vector<std::function<void(WorkerMetrics&)>> refreshers_;
};

// Sets the process_* gauges from /proc/self. Blocking, microseconds.
void refresh_process_metrics(WorkerMetrics& metrics);

} // namespace hawser::telemetry
