#include "agent/metrics_endpoint.h"

#include <utility>

#include "telemetry/prometheus.h"

namespace hawser::agent {

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::open(io::Executor executor,
                                                               Endpoint listen,
                                                               std::function<std::string()> ready) {
    auto acceptor = io::listen_tcp(executor, listen);
    if (!acceptor) return fail(std::move(acceptor.error()), "metrics");
    auto bound = io::local_endpoint(acceptor->native_handle());
    if (!bound) return fail(std::move(bound.error()), "metrics");
    return std::unique_ptr<MetricsEndpoint>(
        new MetricsEndpoint(executor, *bound, std::move(*acceptor), std::move(ready)));
}

MetricsEndpoint::MetricsEndpoint(io::Executor executor, Endpoint endpoint, io::Acceptor acceptor,
                                 std::function<std::string()> ready)
    : endpoint_(endpoint),
      acceptor_(std::move(acceptor)),
      ready_(std::move(ready)),
      collector_(executor, own_),
      tasks_(executor) {
    collector_.refresh_with(telemetry::refresh_process_metrics);
}

MetricsEndpoint::~MetricsEndpoint() = default;

void MetricsEndpoint::start() {
    tasks_.spawn(http::serve_h1(std::move(acceptor_),
                                [this](std::string path) { return answer(std::move(path)); }));
}

io::Task<void> MetricsEndpoint::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

io::Task<http::H1Response> MetricsEndpoint::answer(std::string path) {
    http::H1Response response;
    if (path == "/metrics") {
        response.content_type = telemetry::prometheus_content_type;
        response.body = co_await collector_.scrape();
    } else if (path == "/ready") {
        const std::string missing = ready_();
        response.status = missing.empty() ? 200 : 503;
        response.body = missing.empty() ? "ready\n" : missing + "\n";
    } else {
        response.status = 404;
        response.body = "there are /metrics and /ready\n";
    }
    co_return response;
}

} // namespace hawser::agent
