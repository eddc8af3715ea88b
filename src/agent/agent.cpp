#include "agent/agent.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/limits.h"
#include "host/interfaces.h"
#include "log/log.h"

namespace hawser::agent {
namespace {

// A first start with no server to tell what the mesh is: what waits for this agent may go on.
constexpr std::chrono::milliseconds ready_anyway{5'000};
constexpr std::chrono::milliseconds between_cache_writes{1'000};
constexpr std::chrono::milliseconds between_token_looks{5'000};

} // namespace

io::Task<Result<void>> Agent::run() {
    admin_->start();
    metrics_->start();
    if (auto opened = open_dns(model::TrustDomain{}.dns_domain); opened) {
        if (transparent_) prepare_interception();
        tasks_.spawn(begin());
    } else {
        give_up(std::move(opened.error()));
    }
    co_await stopping_.wait();
    co_await shut_down();
    if (fatal_) co_return fail(*fatal_);
    co_return Result<void>();
}

void Agent::stop() {
    stopping_.notify();
}

void Agent::give_up(Error why) {
    if (!fatal_) fatal_ = std::move(why);
    stopping_.notify();
}

// What an earlier run of this agent that was killed left in the kernel. Where the mesh is known,
// new rules replace the old ones in a moment: better than a moment without any.
io::Task<void> Agent::settle_leftovers() {
    const bool replaced = mesh_ && mesh_->known();
    if (!state_.claims_kernel() || (transparent_ && replaced)) co_return;
    Result<void> settled;
    if (transparent_) {
        settled = co_await leave_kernel(control_.executor());
    } else {
        settled = co_await clear_kernel(control_.executor());
        if (settled) settled = state_.disclaim_kernel();
    }
    if (settled) co_return;
    leftovers_error_ = settled.error().message;
    log::error("kernel rules that an earlier run left are still there",
               {{"error", settled.error()}});
}

io::Task<void> Agent::begin() {
    if (enrolment_.identity) look_at_cache(enrolment_.identity->id.trust_domain);
    co_await settle_leftovers();
    if (enrolment_.identity) {
        begin_as(std::move(*enrolment_.identity));
        if (!enrolment_.token.empty()) co_await join_again();
    } else {
        auto identity = co_await enrol(enrolment_, state_, config_.machine_id_file, random_);
        if (!identity) co_return give_up(std::move(identity.error()));
        begin_as(std::move(*identity));
    }
    co_await watch_token();
}

// Meanwhile it serves as who it is.
io::Task<void> Agent::join_again() {
    const auto identity = co_await enrol(enrolment_, state_, config_.machine_id_file, random_);
    if (!identity)
        log::warn("the join token was not used", {{"error", identity.error()}});
    else
        reload_identity();
}

// Nobody else brings a host back whose certificate expired: a token that comes then is used at
// once.
io::Task<void> Agent::watch_token() {
    while (co_await io::sleep(between_token_looks)) {
        if (!certificates_ || certificates_->node()) continue;
        std::string token = fresh_token(config_, state_, enrolment_.node);
        if (token.empty() || token == enrolment_.token) continue; // none, or not taken before
        enrolment_.token = std::move(token);
        co_await join_again();
    }
}

void Agent::reload() {
    if (!certificates_) return; // it has not joined yet: all of it is still to be read
    reload_identity();
    files_->reread();
}

void Agent::reload_identity() {
    auto stored = load_identity(state_);
    if (!stored || !*stored) {
        const std::string why = stored ? "it is gone" : stored.error().message;
        log::warn("the stored identity can't be used; going on with the old one", {{"error", why}});
    } else if ((*stored)->id.to_uri() != certificates_->report().front().id.to_uri()) {
        log::warn("the folder holds another identity now; restart to become it",
                  {{"identity", (*stored)->id.to_uri()}});
    } else {
        certificates_->rejoined(std::move(**stored));
    }
}

void Agent::begin_as(NodeIdentity identity) {
    if (!mesh_) look_at_cache(identity.id.trust_domain);
    if (servers_.all().empty())
        return give_up(
            {ErrorCode::invalid, "no server is known: set servers in the configuration"});
    certificates_ = std::make_unique<Certificates>(
        control_.executor(), state_, servers_, std::move(identity),
        [this](bool node) {
            publish();
            if (node) session_->credentials_changed();
        },
        random_.next());
    certificates_->set_services(services_->names());
    if (mesh_->known()) certificates_->set_trust(mesh_->snapshot()->trust());
    cache_ = std::make_unique<SnapshotCache>(state_.cache_file());
    session_ = std::make_unique<ControlSession>(
        control_.executor(),
        ControlSessionOptions{.version = options_.version,
                              .credentials = [this] { return certificates_->node(); },
                              .registration = [this] { return registration(); },
                              .on_mesh = [this] { on_mesh(); },
                              .seed = random_.next()},
        *mesh_, servers_);
    views_ = std::make_unique<ViewPublisher>(control_.executor(),
                                             [this](std::uint64_t index) { on_enforced(index); });

    std::vector<proxy::Worker*> workers;
    for (const auto& worker : workers_) workers.push_back(worker.get());
    views_->start(workers, make_view());
    auto metrics = worker_metrics_.begin();
    for (proxy::Worker* worker : workers) metrics_->collector().add(worker->loop(), *metrics++);
    metrics_->collector().refresh_with(
        [this](telemetry::WorkerMetrics& own) { refresh_metrics(own); });

    services_->start();
    certificates_->start();
    session_->start();
    watch_services();
    spreading_.spawn(spread_news());
    tasks_.spawn(cache_changes());
    tasks_.spawn(ready_without_servers());
    if (mesh_->known()) on_mesh_known();
}

void Agent::look_at_cache(const std::string& trust_domain) {
    mesh_ = std::make_unique<MeshState>(trust_domain);
    auto cached = SnapshotCache::load(state_.cache_file());
    if (cached && !*cached) return;
    Result<bool> taken = false;
    if (cached) {
        taken = mesh_->take(**cached);
    } else {
        taken = fail(std::move(cached.error()));
    }
    if (!taken) {
        mesh_->forget_incomplete();
        log::warn("the cached mesh snapshot is of no use; waiting for a server's",
                  {{"error", taken.error()}});
        return;
    }
    servers_.learn({(*cached)->servers().begin(), (*cached)->servers().end()});
    log::info("serving from the cached mesh snapshot", {{"index", mesh_->index()}});
}

io::Task<void> Agent::cache_changes() {
    while (true) {
        co_await news_to_cache_.wait();
        const auto begun = std::chrono::steady_clock::now();
        cache_->save(cacheable());
        const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - begun);
        // In a mesh of many rows no more than a twentieth of this loop's time.
        if (!co_await io::sleep(std::max(between_cache_writes, spent * 20))) co_return;
    }
}

std::string Agent::missing_for_ready() const {
    if (ready_) return "";
    if (!mesh_) return "this host has not joined yet";
    if (!session_) return "starting"; // it knows the mesh, and is clearing up after an earlier run
    if (!mesh_->known()) return "no server has told what the mesh is";
    if (views_->enforced() == 0) return "the workers have not started";
    if (interception_ && !interception_->installed()) return "the kernel rules are not in place";
    return "starting";
}

void Agent::become_ready() {
    if (ready_ || !mesh_->known() || views_->enforced() == 0) return;
    if (interception_ && !interception_->installed()) return;
    say_ready();
}

io::Task<void> Agent::ready_without_servers() {
    if (!co_await io::sleep(ready_anyway)) co_return;
    if (ready_ || mesh_->known()) co_return;
    log::warn("ready, but no server has told yet what the mesh is", {});
    say_ready();
}

void Agent::say_ready() {
    if (std::exchange(ready_, true)) return;
    log::info("ready", {{"node", enrolment_.node},
                        {"tunnel", bound_.tunnel.to_string()},
                        {"workers", workers_.size()}});
    if (options_.on_ready) options_.on_ready();
}

} // namespace hawser::agent
