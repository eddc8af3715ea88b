// http://127.0.0.1:15020: /metrics for Prometheus, /ready for load balancers and scripts. It runs
// on the control loop and asks the workers; traffic never waits for it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/ip.h"
#include "base/result.h"
#include "http/h1_server.h"
#include "io/loop.h"
#include "io/socket.h"
#include "io/task_group.h"
#include "telemetry/collector.h"
#include "telemetry/metrics.h"

namespace hawser::agent {

class MetricsEndpoint {
  public:
    // `ready`: empty when ready, else what is missing.
    static Result<std::unique_ptr<MetricsEndpoint>> open(io::Executor executor, Endpoint listen,
                                                         std::function<std::string()> ready);
    ~MetricsEndpoint(); // after stop()

    // Where the workers' shards are added, and the control loop's own values set.
    [[nodiscard]] telemetry::MetricsCollector& collector() { return collector_; }
    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

    void start();
    [[nodiscard]] io::Task<void> stop();

  private:
    MetricsEndpoint(io::Executor executor, Endpoint endpoint, io::Acceptor acceptor,
                    std::function<std::string()> ready);
    [[nodiscard]] io::Task<http::H1Response> answer(std::string path);

    Endpoint endpoint_;
    io::Acceptor acceptor_;
    std::function<std::string()> ready_;
    telemetry::WorkerMetrics own_;
    telemetry::MetricsCollector collector_;
    io::TaskGroup tasks_;
};

} // namespace hawser::agent
