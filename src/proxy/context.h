// What the parts of one worker share: its view of the mesh and where it counts. Not shared between
// workers.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>

#include "base/random.h"
#include "host/socket_owner.h"
#include "io/task_group.h"
#include "proxy/handshakes.h"
#include "proxy/load.h"
#include "proxy/record.h"
#include "proxy/relay.h"
#include "proxy/repeats.h"
#include "proxy/tunnel_pool.h"
#include "proxy/view.h"
#include "proxy/worker.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

namespace hawser::proxy {

// A relay in progress, for the idle check, for counting bytes while it lives, and to be judged
// when the view changes.
struct LiveRelay {
    Relay* relay = nullptr;
    ConnectionRecord* record = nullptr;
    telemetry::ConnectionMetrics counters;
    RelayBytes told;  // as the counters have it
    Duration idle{0}; // since bytes last moved, as far as ticks tell
};

// A tunnel from another agent.
struct InboundPeer {
    http::H2Connection* connection = nullptr;
    std::uint64_t generation = 0; // in its certificate
    ProofPtr proof;               // of those who share its identity
    Dismissal dismissal;
};

// A view that what is open may not have been judged by yet.
struct SettlingView {
    std::uint64_t number = 0;
    std::function<void()> in_force;
};

struct Context {
    Context(io::Executor loop, const WorkerOptions& worker_options,
            telemetry::WorkerMetrics& worker_metrics, telemetry::AccessLog& log,
            host::SocketOwnerLookup owners, std::uint64_t seed)
        : executor(loop),
          options(worker_options),
          metrics(worker_metrics),
          access_log(log),
          random(seed),
          socket_owner(std::move(owners)),
          loads(worker_options.service_counts),
          tasks(loop),
          pool(loop, tasks, worker_metrics, repeats) {}

    io::Executor executor;
    const WorkerOptions& options;
    telemetry::WorkerMetrics& metrics;
    telemetry::AccessLog& access_log;
    Random random;
    host::SocketOwnerLookup socket_owner;
    ServiceLoads loads;
    Repeats repeats;     // of warnings that others can cause
    io::TaskGroup tasks; // everything but the listeners
    TunnelPool pool;
    ViewPtr view; // take a copy before a wait
    std::uint64_t view_number = 0;
    std::list<LiveRelay> relays; // in the order of the views they were judged by
    std::deque<SettlingView> settling;
    bool judging = false;  // there is a task for it
    Handshakes handshakes; // of inbound tunnels
    std::list<InboundPeer> inbound_tunnels;
    std::uint32_t connections = 0; // in both directions

    // Calls in progress, also those not yet taken.
    [[nodiscard]] std::size_t calls() const { return connections - inbound_tunnels.size(); }
    // This worker's part of a limit of the whole agent, at least 1.
    [[nodiscard]] std::uint32_t share(std::uint64_t limit) const {
        return static_cast<std::uint32_t>((limit + options.count - 1) / options.count);
    }
};

// Counts a connection or stream for as long as it lives.
class ConnectionCount {
  public:
    explicit ConnectionCount(Context& context) : context_(context) { ++context_.connections; }
    ~ConnectionCount() { --context_.connections; }
    ConnectionCount(const ConnectionCount&) = delete;
    ConnectionCount& operator=(const ConnectionCount&) = delete;

  private:
    Context& context_;
};

// Lists a tunnel from another agent while it runs.
class InboundTunnel {
  public:
    InboundTunnel(Context& context, InboundPeer peer)
        : list_(context.inbound_tunnels), entry_(list_.insert(list_.end(), std::move(peer))) {}
    ~InboundTunnel() { list_.erase(entry_); }
    InboundTunnel(const InboundTunnel&) = delete;
    InboundTunnel& operator=(const InboundTunnel&) = delete;

  private:
    std::list<InboundPeer>& list_;
    std::list<InboundPeer>::iterator entry_;
};

} // namespace hawser::proxy
