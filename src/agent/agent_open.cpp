// What an agent opens, most of it before it runs.
#include <algorithm>
#include <utility>

#include "agent/agent.h"
#include "host/files.h"
#include "host/interfaces.h"
#include "io/clock.h"
#include "log/journal.h"
#include "log/log.h"

namespace hawser::agent {
namespace {

constexpr std::uint32_t capture_mark = 0x6877; // "hw"; of sockets the kernel rules leave alone
const IpAddress loopback4 = IpAddress::v4(0x7f000001);
const IpAddress loopback6 = IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});

std::uint64_t random_seed() {
    std::uint64_t seed = 0;
    fill_secure_random({reinterpret_cast<std::uint8_t*>(&seed), sizeof seed});
    return seed;
}

telemetry::AccessLogMode access_log_mode(config::AccessLogMode mode) {
    switch (mode) {
        case config::AccessLogMode::off: return telemetry::AccessLogMode::off;
        case config::AccessLogMode::errors: return telemetry::AccessLogMode::errors;
        case config::AccessLogMode::all: return telemetry::AccessLogMode::all;
    }
    return telemetry::AccessLogMode::errors;
}

// JSON lines on standard output, or entries of the journal where the log goes there.
Result<std::unique_ptr<telemetry::AccessLog>> open_access_log(const config::AgentConfig& config) {
    const telemetry::AccessLogMode mode = access_log_mode(config.access_log);
    const bool journal = config.log_format == "journal" ||
                         (config.log_format == "automatic" && log::stderr_is_journal());
    if (journal) {
        auto opened = telemetry::AccessLog::open(mode, telemetry::AccessLogFormat::journal);
        if (opened) return opened;
        log::warn("the access log goes to standard output", {{"error", opened.error()}});
    }
    return telemetry::AccessLog::open(mode, telemetry::AccessLogFormat::json);
}

// Several workers share their ports, and the kernel would let another agent share them, too:
// makes sure first that nobody has them, and that they are not asked for twice.
Result<void> probe(io::Executor executor, const std::vector<Endpoint>& listeners) {
    std::vector<io::Acceptor> held;
    for (const Endpoint& endpoint : listeners) {
        if (endpoint.port == 0) continue;
        auto alone = io::listen_tcp(executor, endpoint);
        if (!alone) return fail(std::move(alone.error()));
        held.push_back(std::move(*alone));
    }
    return {};
}

} // namespace

Result<std::unique_ptr<Agent>> Agent::open(config::AgentConfig config, io::Loop& control,
                                           AgentOptions options) {
    auto state = StateDir::open(config.data_dir);
    if (!state) return fail(std::move(state.error()));
    auto enrolment = find_enrolment(config, *state);
    if (!enrolment) return fail(std::move(enrolment.error()));
    std::unique_ptr<Agent> agent(new Agent(std::move(config), control, std::move(options),
                                           std::move(*state), std::move(*enrolment)));
    if (auto opened = agent->open_all(); !opened) return fail(std::move(opened.error()));
    return agent;
}

Agent::Agent(config::AgentConfig config, io::Loop& control, AgentOptions options, StateDir state,
             Enrolment enrolment)
    : config_(std::move(config)),
      control_(control),
      options_(std::move(options)),
      state_(std::move(state)),
      enrolment_(std::move(enrolment)),
      servers_(enrolment_.servers, enrolment_.node),
      random_(random_seed()),
      started_at_(io::wall_now()),
      transparent_(config_.intercept_mode == config::InterceptMode::transparent),
      ipv6_(host::ipv6_available()),
      stopping_(control.executor()),
      news_(control.executor()),
      news_to_cache_(control.executor()),
      news_while_leaving_(control.executor()),
      tasks_(control.executor()),
      spreading_(control.executor()),
      leaving_(control.executor()) {}

Agent::~Agent() = default;

Result<void> Agent::open_all() {
    auto access_log = open_access_log(config_);
    if (!access_log) return fail(std::move(access_log.error()), "access log");
    access_log_ = std::move(*access_log);
    auto services = LocalServiceSet::open(
        control_.executor(), enrolment_.node, config_.services,
        [this] {
            if (session_) session_->registration_changed();
        },
        random_.next());
    if (!services) return fail(std::move(services.error()));
    services_ = std::move(*services);
    if (auto opened = open_workers(); !opened) return opened;
    return open_local_ends();
}

proxy::WorkerOptions Agent::worker_options() const {
    proxy::WorkerOptions options;
    options.tunnel = config_.tunnel_listen;
    options.upstreams = services_->upstreams();
    if (transparent_) {
        // A program's own connections are redirected to the loopback; those from the network to
        // the address they came in by.
        options.outbound.push_back({.address = loopback4, .port = config_.outbound_port});
        if (ipv6_)
            options.outbound.push_back({.address = loopback6, .port = config_.outbound_port});
        const IpAddress any = ipv6_ ? IpAddress() : IpAddress::v4(0);
        options.inbound = Endpoint{.address = any, .port = config_.inbound_port};
    }
    return options;
}

Result<void> Agent::open_workers() {
    const std::uint32_t count =
        config_.workers != 0 ? config_.workers : std::max(host::machine_facts().processors, 1U);
    proxy::WorkerOptions options = worker_options();
    options.count = count;
    options.reuse_port = count > 1;
    std::vector<Endpoint> listeners{options.tunnel};
    listeners.insert(listeners.end(), options.outbound.begin(), options.outbound.end());
    if (options.inbound) listeners.push_back(*options.inbound);
    for (const proxy::Upstream& upstream : options.upstreams) listeners.push_back(upstream.listen);
    if (auto free = probe(control_.executor(), listeners); !free) return free;
    for (std::uint32_t number = 0; number < count; ++number) {
        options.number = number;
        worker_metrics_.emplace_back();
        workers_.push_back(
            std::make_unique<proxy::Worker>(options, worker_metrics_.back(), *access_log_));
        if (auto listening = workers_.back()->listen(); !listening) return listening;
        options = workers_.back()->options(); // the ports the first one got
    }
    bound_.tunnel = options.tunnel;
    bound_.upstreams = options.upstreams;
    auto bound = bound_.upstreams.begin();
    for (config::ServiceConfig& service : config_.services) {
        for (config::UpstreamConfig& upstream : service.upstreams)
            upstream.listen = (bound++)->listen;
    }
    return {};
}

Result<void> Agent::open_dns(const std::string& domain) {
    host::DnsServerOptions options;
    options.listen = bound_.dns;
    if (options.listen.empty()) {
        options.listen.push_back(config_.dns_listen);
        // Queries to IPv6 nameservers are redirected to ::1.
        if (transparent_ && config_.dns_capture && ipv6_ && config_.dns_listen.port != 0)
            options.listen.push_back({.address = loopback6, .port = config_.dns_listen.port});
    }
    options.domain = domain;
    options.ipv6 = ipv6_;
    options.upstreams = config_.dns_upstreams;
    options.mark = transparent_ ? capture_mark : 0;
    auto dns = std::make_unique<host::DnsServer>(control_.executor(), std::move(options),
                                                 [this]() -> model::SnapshotPtr {
                                                     const model::SnapshotPtr known = mesh();
                                                     return known->index() != 0 ? known : nullptr;
                                                 });
    if (auto started = dns->start(); !started) return started;
    dns_ = std::move(dns);
    dns_domain_ = domain;
    bound_.dns = dns_->endpoints();
    return {};
}

void Agent::prepare_interception() {
    const std::uint16_t dns_port = config_.dns_capture ? bound_.dns.front().port : 0;
    interception_ = std::make_unique<Interception>(
        control_.executor(),
        InterceptionOptions{.outbound_port = config_.outbound_port,
                            .inbound_port = workers_.front()->options().inbound->port,
                            .tunnel_port = bound_.tunnel.port,
                            .dns_port = dns_port,
                            .service_ports = services_->ports(),
                            .mark = capture_mark,
                            .ipv6 = ipv6_,
                            .on_exit = config_.on_exit});
}

// What this host's people and programs ask: metrics, the admin socket.
Result<void> Agent::open_local_ends() {
    auto metrics = MetricsEndpoint::open(control_.executor(), config_.metrics_listen,
                                         [this] { return missing_for_ready(); });
    if (!metrics) return fail(std::move(metrics.error()));
    metrics_ = std::move(*metrics);
    bound_.metrics = metrics_->endpoint();
    AdminSources sources{
        .status = [this] { return status(); },
        .intercept = [this] { return intercept_status(); },
        .mesh = [this]() -> const MeshState* { return mesh_.get(); },
        .certificates = [this] { return certificates(); },
        .renew = [this](std::string identity) { return renew(std::move(identity)); },
    };
    auto admin = AdminSocket::open(control_.executor(), config_.socket, std::move(sources));
    if (!admin) return fail(std::move(admin.error()));
    admin_ = std::move(*admin);
    return {};
}

} // namespace hawser::agent
