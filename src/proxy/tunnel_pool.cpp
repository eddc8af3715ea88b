#include "proxy/tunnel_pool.h"

#include <algorithm>

#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"

namespace hawser::proxy {
namespace {

using Time = std::chrono::steady_clock::time_point;

// A session is replaced once less than this is left of either certificate, or a tenth of what was
// left when it began, whichever is shorter: streams on it may go on, new ones use another.
constexpr WallTime retire_margin_ms = 5 * 60 * 1000;

// Between attempts to prove with another session what an old one can no longer.
constexpr WallTime prove_interval_ms = 5'000;

WallTime retire_time(WallTime now, WallTime not_after) {
    return not_after - std::min(retire_margin_ms, std::max<WallTime>(0, not_after - now) / 10);
}

// A session is of use to others than the connection that needed it first: dialling goes on when
// that one has given up.
Time dial_deadline(Time first_waiter) {
    return std::max(first_waiter, std::chrono::steady_clock::now() + limits::connect_timeout);
}

std::chrono::milliseconds time_left(Time deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return std::max(left, std::chrono::milliseconds{0});
}

// A waiter in a group's list for as long as it waits, also when its task is cancelled.
class Waiting {
  public:
    Waiting(std::list<io::Signal*>& list, io::Signal& signal) : list_(list), signal_(&signal) {
        list_.push_back(signal_);
    }
    ~Waiting() { list_.remove(signal_); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

  private:
    std::list<io::Signal*>& list_;
    io::Signal* signal_;
};

} // namespace

TunnelPool::TunnelPool(io::Executor executor, io::TaskGroup& tasks,
                       telemetry::WorkerMetrics& metrics, Repeats& repeats)
    : executor_(executor), tasks_(tasks), metrics_(metrics), repeats_(repeats) {}

TunnelPool::~TunnelPool() = default;

std::shared_ptr<Tunnel> TunnelPool::ready(const Group& group) {
    const WallTime now = io::wall_now();
    for (const auto& tunnel : group.tunnels)
        if (tunnel->connection->can_open() && now < tunnel->retire_at) return tunnel;
    return nullptr;
}

io::Task<Result<std::shared_ptr<Tunnel>>> TunnelPool::acquire(TunnelKey key,
                                                              tls::CredentialsPtr credentials,
                                                              std::string trust_domain,
                                                              Time deadline) {
    // A group is never erased while somebody waits in it (see tick()).
    Group& group = groups_[key];
    if (auto tunnel = ready(group)) co_return tunnel;
    io::Signal dialled(executor_);
    const Waiting waiting(group.waiting, dialled);
    while (true) {
        const std::uint64_t dials_before = group.dials_ended;
        if (!group.dialling) {
            group.dialling = true;
            if (!tasks_.spawn(dial(key, credentials, trust_domain, dial_deadline(deadline)))) {
                group.dialling = false;
                co_return fail(ErrorCode::cancelled, "the agent is stopping");
            }
        }
        const auto left = time_left(deadline);
        if (left.count() == 0 || !co_await dialled.wait_for(left))
            co_return fail(ErrorCode::deadline_exceeded,
                           "waiting for a tunnel to " + key.node + ": timed out");
        if (auto tunnel = ready(group)) co_return tunnel;
        if (group.dials_ended != dials_before && !group.dial_error.message.empty())
            co_return fail(group.dial_error);
    }
}

io::Task<void> TunnelPool::dial(TunnelKey key, tls::CredentialsPtr credentials,
                                std::string trust_domain, Time deadline) {
    auto opened = co_await open(key, std::move(credentials), std::move(trust_domain), deadline);
    Group& group = groups_[key];
    group.dialling = false;
    ++group.dials_ended;
    group.dial_error = opened ? Error{} : opened.error();
    if (opened) {
        const std::shared_ptr<Tunnel>& tunnel = *opened;
        group.proof->extend(tunnel->proof->until());
        tunnel->proof = group.proof;
        group.prove_at = std::max(group.prove_at, tunnel->retire_at);
        group.tunnels.push_front(*opened);
        if (!tasks_.spawn(run(key, *opened))) (*opened)->connection->abort();
    } else if (repeats_.first(
                   {.event = "no tunnel", .subject = key.node, .reason = opened.error().message},
                   std::chrono::steady_clock::now())) {
        log::warn("no tunnel", {{"node", key.node},
                                {"endpoint", key.endpoint.to_string()},
                                {"source", key.source},
                                {"error", opened.error()}});
    }
    for (io::Signal* waiting : group.waiting) waiting->notify();
}

io::Task<Result<std::shared_ptr<Tunnel>>> TunnelPool::open(TunnelKey key,
                                                           tls::CredentialsPtr credentials,
                                                           std::string trust_domain,
                                                           Time deadline) {
    // Whatever happened before: a tunnel speaks for the service that it is for, and nobody else.
    const model::Identity source{
        .trust_domain = trust_domain, .kind = model::IdentityKind::service, .name = key.source};
    if (tls::own_identity(*credentials) != source)
        co_return fail(ErrorCode::internal, "the certificate is not that of " + source.to_uri());
    const auto began = std::chrono::steady_clock::now();
    auto socket =
        co_await io::connect_tcp(executor_, key.endpoint, {.timeout = time_left(deadline)});
    if (!socket) co_return fail(std::move(socket.error()), "dialling " + key.endpoint.to_string());
    const WallTime own_end = tls::expires_at(*credentials);
    auto session = tls::Session::create(std::move(credentials), tls::Role::client,
                                        model::Identity{.trust_domain = std::move(trust_domain),
                                                        .kind = model::IdentityKind::node,
                                                        .name = key.node});
    if (!session) co_return fail(std::move(session.error()));
    auto tunnel = std::make_shared<Tunnel>();
    tunnel->connection = std::make_unique<http::H2Connection>(
        std::move(*socket), std::move(*session),
        http::H2Options{.session_window = tunnel_session_window,
                        .ping_interval = limits::tunnel_ping_interval,
                        .handshake_timeout = time_left(deadline)},
        nullptr);
    auto done = co_await tunnel->connection->handshake();
    if (!done)
        co_return fail(std::move(done.error()), "handshake with " + key.endpoint.to_string());
    const WallTime now = io::wall_now();
    const WallTime not_after = std::min(own_end, tunnel->connection->peer()->not_after);
    tunnel->retire_at = retire_time(now, not_after);
    if (tunnel->retire_at <= now)
        co_return fail(ErrorCode::unauthenticated,
                       "a certificate of the tunnel expired on " + format_time(not_after));
    tunnel->proof = std::make_shared<Proof>();
    tunnel->proof->extend(not_after);
    tunnel->idle_since = std::chrono::steady_clock::now();
    metrics_.counter(telemetry::Metric::tunnel_handshakes, {"client", "ok"}).add();
    metrics_.histogram(telemetry::Metric::tunnel_handshake_seconds, {"client"})
        .observe(tunnel->idle_since - began);
    co_return tunnel;
}

io::Task<void> TunnelPool::run(TunnelKey key, std::shared_ptr<Tunnel> tunnel) {
    auto ended = co_await tunnel->connection->run();
    if (!ended) {
        log::info(
            "tunnel ended",
            {{"node", key.node}, {"endpoint", key.endpoint.to_string()}, {"why", ended.error()}});
    }
    const auto group = groups_.find(key);
    if (group != groups_.end()) group->second.tunnels.remove(tunnel);
}

void Dismissal::go_on(http::H2Connection& connection) {
    constexpr std::chrono::milliseconds patience{500};
    const auto now = std::chrono::steady_clock::now();
    if (!since_) {
        since_ = now;
        connection.goaway();
    } else if (now - *since_ >= patience) {
        connection.abort();
    }
}

void TunnelPool::close_refused(const std::function<bool(const TunnelKey&)>& refused) {
    for (const auto& [key, group] : groups_) {
        if (group.tunnels.empty() || !refused(key)) continue;
        for (const auto& tunnel : group.tunnels) tunnel->dismissal.go_on(*tunnel->connection);
    }
}

void TunnelPool::prove_again(const TunnelKey& key, Group& group, const View& view, WallTime now) {
    if (group.dialling || now < group.prove_at) return;
    if (std::ranges::none_of(group.tunnels, [](const auto& tunnel) {
            return tunnel->connection->open_streams() > 0;
        }))
        return;
    group.prove_at = now + prove_interval_ms; // unless this one brings more
    const auto credentials = view.service_credentials.find(key.source);
    if (credentials == view.service_credentials.end()) return;
    if (tls::expires_at(*credentials->second) <= group.proof->until()) return; // not renewed yet
    group.dialling = tasks_.spawn(dial(key, credentials->second, view.trust_domain,
                                       std::chrono::steady_clock::now() + limits::connect_timeout));
}

void TunnelPool::tick(const View& view, WallTime wall) {
    const auto now = std::chrono::steady_clock::now();
    for (auto entry = groups_.begin(); entry != groups_.end();) {
        Group& group = entry->second;
        for (const auto& tunnel : group.tunnels) {
            if (tunnel->connection->open_streams() > 0) tunnel->idle_since = now;
            if (wall >= tunnel->retire_at || now - tunnel->idle_since > limits::tunnel_idle)
                tunnel->connection->goaway();
        }
        prove_again(entry->first, group, view, wall);
        const bool unused = group.tunnels.empty() && group.waiting.empty() && !group.dialling;
        entry = unused ? groups_.erase(entry) : std::next(entry);
    }
}

void TunnelPool::goaway_all() {
    for (const auto& [key, group] : groups_)
        for (const auto& tunnel : group.tunnels) tunnel->connection->goaway();
}

std::size_t TunnelPool::open_streams() const {
    std::size_t count = 0;
    for (const auto& [key, group] : groups_)
        for (const auto& tunnel : group.tunnels) count += tunnel->connection->open_streams();
    return count;
}

std::size_t TunnelPool::size() const {
    std::size_t count = 0;
    for (const auto& [key, group] : groups_) count += group.tunnels.size();
    return count;
}

} // namespace hawser::proxy
