#include "proxy/worker.h"

#include <algorithm>
#include <format>
#include <future>
#include <list>

#include "base/check.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "proxy/context.h"
#include "proxy/enforcement.h"
#include "proxy/inbound.h"
#include "proxy/outbound.h"
#include "proxy/record.h"

namespace hawser::proxy {
namespace {

// Counters of live connections, idle checks and the pool's upkeep: once a second is what their
// readers need.
constexpr Duration tick_interval{1'000};

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    fill_secure_random({reinterpret_cast<std::uint8_t*>(&seed), sizeof seed});
    return seed;
}

enum class Entrance : std::uint8_t { outbound, inbound_plain, tunnel, upstream };

struct Listener {
    Entrance entrance;
    io::Acceptor acceptor;
    Upstream upstream;   // of Entrance::upstream
    bool closed = false; // its accept loop removes it
};

} // namespace

struct Worker::Impl {
    Impl(WorkerOptions worker_options, telemetry::WorkerMetrics& worker_metrics,
         telemetry::AccessLog& log)
        : options(std::move(worker_options)),
          metrics(worker_metrics),
          access_log(log),
          loop(std::format("hawser-w{}", options.number)),
          listening(loop.executor()) {}

    WorkerOptions options;
    telemetry::WorkerMetrics& metrics;
    telemetry::AccessLog& access_log;
    io::Loop loop;
    std::list<Listener> listeners;
    io::TaskGroup listening;          // the accept loops and the tick
    std::unique_ptr<Context> context; // from start() on
    bool started = false;
    bool hurried = false; // the loop's thread

    Result<void> bind(Entrance entrance, Endpoint& endpoint, Upstream upstream = {});
    Result<void> replace_upstreams(std::vector<Upstream> wanted);
    io::Task<void> accept_all(Listener& listener);
    void take(Listener& listener, io::Socket socket);
    io::Task<void> tick();
    void tell_repeats();
    io::Task<void> drain(std::chrono::milliseconds deadline, std::promise<void>& done);
};

Result<void> Worker::Impl::bind(Entrance entrance, Endpoint& endpoint, Upstream upstream) {
    auto acceptor = io::listen_tcp(loop.executor(), endpoint, {.reuse_port = options.reuse_port});
    if (!acceptor) return fail(std::move(acceptor.error()));
    auto bound = io::local_endpoint(acceptor->native_handle());
    if (!bound) return fail(std::move(bound.error()));
    endpoint = upstream.listen = *bound;
    listeners.push_back(
        {.entrance = entrance, .acceptor = std::move(*acceptor), .upstream = std::move(upstream)});
    return {};
}

Result<void> Worker::Impl::replace_upstreams(std::vector<Upstream> wanted) {
    for (Listener& listener : listeners) {
        if (listener.entrance != Entrance::upstream || listener.closed) continue;
        const auto found = std::ranges::find(wanted, listener.upstream.listen, &Upstream::listen);
        if (found == wanted.end()) {
            listener.closed = true;
            std::error_code ignored;
            listener.acceptor.close(ignored);
        } else {
            listener.upstream = std::move(*found);
            wanted.erase(found);
        }
    }
    Result<void> all;
    for (Upstream& upstream : wanted) {
        auto done = bind(Entrance::upstream, upstream.listen, upstream);
        if (done) {
            listening.spawn(accept_all(listeners.back()));
        } else if (all) {
            all = fail(std::move(done.error()), "upstream listener for " + upstream.destination);
        }
    }
    return all;
}

// Accepts until the acceptor is cancelled or closed.
io::Task<void> Worker::Impl::accept_all(Listener& listener) {
    while (true) {
        auto socket = co_await io::accept(listener.acceptor);
        if (!socket) {
            if (!listener.closed && socket.error().code != ErrorCode::cancelled)
                log::error("accepting failed", {{"error", socket.error()}});
            break;
        }
        take(listener, std::move(*socket));
    }
    if (listener.closed)
        listeners.remove_if([&](const Listener& each) { return &each == &listener; });
}

void Worker::Impl::take(Listener& listener, io::Socket socket) {
    if (listener.entrance == Entrance::inbound_plain)
        return refuse_plaintext(*context, std::move(socket));
    if (context->connections >= context->share(limits::agent_connections)) {
        metrics
            .counter(telemetry::Metric::connections_refused,
                     {traffic::code(traffic::Flag::overload)})
            .add();
        io::reset_on_close(socket);
        return;
    }
    switch (listener.entrance) {
        case Entrance::tunnel:
            context->tasks.spawn(serve_tunnel(*context, std::move(socket)));
            break;
        case Entrance::outbound:
            context->tasks.spawn(serve_captured(*context, std::move(socket)));
            break;
        case Entrance::upstream:
            context->tasks.spawn(serve_upstream(*context, std::move(socket), listener.upstream));
            break;
        case Entrance::inbound_plain: break;
    }
}

io::Task<void> Worker::Impl::tick() {
    while (co_await io::sleep(tick_interval)) {
        account_live_relays(*context, tick_interval);
        const WallTime now = io::wall_now();
        context->pool.tick(*context->view, now);
        tell_repeats();
        context->loads.forget_gone(*context->view->mesh);
        end_expired_tunnels(*context, now);
        cut_unproven(*context, now);
        close_refused_tunnels(*context);
        metrics.gauge(telemetry::Metric::connections_open).set(context->connections);
        std::size_t inbound_streams = 0;
        for (const InboundPeer& peer : context->inbound_tunnels)
            inbound_streams += peer.connection->open_streams();
        metrics.gauge(telemetry::Metric::tunnel_streams_open, {"client"})
            .set(static_cast<double>(context->pool.open_streams()));
        metrics.gauge(telemetry::Metric::tunnel_streams_open, {"server"})
            .set(static_cast<double>(inbound_streams));
        metrics.gauge(telemetry::Metric::tunnels_open, {"client"})
            .set(static_cast<double>(context->pool.size()));
        metrics.gauge(telemetry::Metric::tunnels_open, {"server"})
            .set(static_cast<double>(context->inbound_tunnels.size()));
    }
}

void Worker::Impl::tell_repeats() {
    for (const Repeats::Summary& again : context->repeats.due(std::chrono::steady_clock::now()))
        log::warn(
            again.line.event + ", again",
            {{"about", again.line.subject}, {"reason", again.line.reason}, {"times", again.times}});
}

// Lets what runs end in order, then cuts the rest; the loop stops at the end.
io::Task<void> Worker::Impl::drain(std::chrono::milliseconds deadline, std::promise<void>& done) {
    listening.cancel();
    co_await listening.join();
    listeners.clear();
    context->pool.goaway_all();
    for (const InboundPeer& peer : context->inbound_tunnels) peer.connection->goaway();
    const auto end = std::chrono::steady_clock::now() + deadline;
    constexpr Duration look_again{20};
    while (context->calls() > 0 && !hurried && std::chrono::steady_clock::now() < end)
        (void)co_await io::sleep(look_again);
    context->tasks.cancel();
    co_await context->tasks.join();
    done.set_value();
}

Worker::Worker(WorkerOptions options, telemetry::WorkerMetrics& metrics,
               telemetry::AccessLog& access_log)
    : impl_(std::make_unique<Impl>(std::move(options), metrics, access_log)) {}

Worker::~Worker() {
    stop(Duration{0});
}

const WorkerOptions& Worker::options() const {
    return impl_->options;
}

io::Loop& Worker::loop() {
    return impl_->loop;
}

Result<void> Worker::listen() {
    auto owners = host::SocketOwnerLookup::open();
    if (!owners) return fail(std::move(owners.error()));
    WorkerOptions& options = impl_->options;
    if (options.service_counts == nullptr) options.service_counts = std::make_shared<HostCounts>();
    if (options.caller_proofs == nullptr) options.caller_proofs = std::make_shared<CallerProofs>();
    impl_->context =
        std::make_unique<Context>(impl_->loop.executor(), options, impl_->metrics,
                                  impl_->access_log, std::move(*owners), random_seed());
    if (auto done = impl_->bind(Entrance::tunnel, options.tunnel); !done)
        return fail(done.error(), "tunnel listener");
    for (Endpoint& outbound : options.outbound)
        if (auto done = impl_->bind(Entrance::outbound, outbound); !done)
            return fail(done.error(), "outbound listener");
    if (options.inbound)
        if (auto done = impl_->bind(Entrance::inbound_plain, *options.inbound); !done)
            return fail(done.error(), "inbound listener");
    for (Upstream& upstream : options.upstreams)
        if (auto done = impl_->bind(Entrance::upstream, upstream.listen, upstream); !done)
            return fail(done.error(), "upstream listener for " + upstream.destination);
    return {};
}

void Worker::start(ViewPtr view) {
    HAWSER_CHECK(impl_->context != nullptr && !impl_->started);
    impl_->started = true;
    impl_->context->view = std::move(view);
    for (Listener& listener : impl_->listeners) impl_->listening.spawn(impl_->accept_all(listener));
    impl_->listening.spawn(impl_->tick());
    impl_->loop.start();
}

void Worker::set_view(ViewPtr view, std::function<void(std::uint64_t)> done) {
    impl_->loop.post([this, view = std::move(view), done = std::move(done)]() mutable {
        const std::uint64_t index = view->mesh->index();
        use_view(*impl_->context, std::move(view), [done = std::move(done), index] {
            if (done) done(index);
        });
    });
}

void Worker::set_upstreams(std::vector<Upstream> upstreams,
                           std::function<void(Result<void>)> done) {
    impl_->loop.post([this, upstreams = std::move(upstreams), done = std::move(done)]() mutable {
        done(impl_->replace_upstreams(std::move(upstreams)));
    });
}

void Worker::with_state(std::function<void(const WorkerState&)> function) {
    impl_->loop.post([this, function = std::move(function)] {
        const Context& context = *impl_->context;
        function({.view_index = context.view->mesh->index(),
                  .open_connections = context.relays.size(),
                  .tunnels = context.pool.size() + context.inbound_tunnels.size()});
    });
}

void Worker::hurry() {
    impl_->loop.post([this] { impl_->hurried = true; });
}

void Worker::stop(std::chrono::milliseconds deadline) {
    if (!impl_->started) return;
    impl_->started = false;
    std::promise<void> done;
    io::TaskGroup stopping(impl_->loop.executor());
    impl_->loop.post([&] { stopping.spawn(impl_->drain(deadline, done)); });
    done.get_future().wait();
    impl_->loop.stop();
    impl_->loop.join();
}

} // namespace hawser::proxy
