// One data-plane worker: a loop on a thread of its own with its own listeners (SO_REUSEPORT), its
// own tunnels and its own counters. Workers share nothing that changes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"
#include "proxy/load.h"
#include "proxy/proofs.h"
#include "proxy/view.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace hawser::proxy {

// A listener of the explicit mode: what connects to it speaks as `source` to `destination`.
struct Upstream {
    std::string source;
    std::string destination;
    Endpoint listen;
};

struct WorkerOptions {
    std::uint32_t number = 0; // of `count`
    std::uint32_t count = 1;
    Endpoint tunnel;                 // inbound tunnels
    std::vector<Endpoint> outbound;  // redirected connections of local callers
    std::optional<Endpoint> inbound; // redirected plaintext from the network: refused
    std::vector<Upstream> upstreams;
    bool reuse_port = true; // false with one worker in tests
    // Made by the first worker's listen(), for all of them.
    std::shared_ptr<HostCounts> service_counts;
    std::shared_ptr<CallerProofs> caller_proofs;
};

// For `status`: read on the worker's loop.
struct WorkerState {
    std::uint64_t view_index = 0;
    std::uint64_t open_connections = 0;
    std::uint64_t tunnels = 0;
};

class Worker {
  public:
    // `metrics` and `access_log` outlive the worker; metrics is used on the worker's loop only.
    Worker(WorkerOptions options, telemetry::WorkerMetrics& metrics,
           telemetry::AccessLog& access_log);
    ~Worker(); // stop()s
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Binds the listeners; before start(). `bound` endpoints replace port 0 in the options, which
    // are then those for the next worker, and tell the registration.
    [[nodiscard]] Result<void> listen();
    [[nodiscard]] const WorkerOptions& options() const;

    void start(ViewPtr view);
    // From any thread. `done` runs on the worker's loop when the view is in force: nothing is open
    // any more that it would refuse.
    void set_view(ViewPtr view, std::function<void(std::uint64_t index)> done);
    // From any thread, after start(): the upstream listeners from now on. One whose endpoint stays
    // goes on listening, for whom it belongs to now; connections are not touched. `done` runs on
    // the worker's loop, with the first listener that could not be opened, if any.
    void set_upstreams(std::vector<Upstream> upstreams, std::function<void(Result<void>)> done);
    // Runs `function` with the worker's state on its loop.
    void with_state(std::function<void(const WorkerState&)> function);
    [[nodiscard]] io::Loop& loop();

    // Stops accepting, sends GOAWAY, lets connections end for at most `deadline`, then resets the
    // rest. Blocks until the thread has ended. Not on the worker's own thread.
    void stop(std::chrono::milliseconds deadline);
    // From any thread, while stop() waits elsewhere: its deadline is now.
    void hurry();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace hawser::proxy
