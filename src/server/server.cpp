#include "server/server.h"

#include <unistd.h>

#include <asio/this_coro.hpp>
#include <chrono>
#include <filesystem>
#include <format>
#include <utility>

#include "io/clock.h"
#include "io/task_group.h"
#include "log/log.h"
#include "rpc/server.h"
#include "server/access.h"
#include "server/api.h"
#include "server/audit_entries.h"
#include "server/audit_heads.h"
#include "server/audit_trail.h"
#include "server/authority_keeper.h"
#include "server/authority_upkeep.h"
#include "server/cluster.h"
#include "server/sessions.h"
#include "server/snapshot_keeper.h"
#include "server/upkeep.h"
#include "server/watch_hub.h"
#include "server/welcome.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds start_timeout{30'000};
constexpr std::chrono::milliseconds storing_timeout{5'000};
constexpr std::chrono::milliseconds last_head_timeout{2'000}; // a leader that is gone is no use

// A peer's connection carries votes and heartbeats too: what keeps it busy at a time is little, and
// many of it under way fill a long road all the same.
raft::Options raft_options() {
    raft::Options options;
    options.append_bytes = 128 << 10;
    options.appends_in_flight = 32;
    options.snapshot_chunk = 256 << 10;
    return options;
}

bool concerns_authority(model::Kind kind) {
    return kind == model::Kind::trust_domain || kind == model::Kind::authority;
}

Result<RestoredServer> restore(const std::string& data_dir) {
    Result<Storage> storage = open_storage(data_dir);
    if (!storage) return fail(std::move(storage.error()));
    if (storage->log.id() == raft::no_server) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{} holds no mesh yet; run hawser init first, or hawser server "
                                "join",
                                data_dir));
    }
    return restore_server(std::move(*storage), raft_options());
}

// Members of the group may talk to the socket; without such a group only this user may. Only root
// and members can give a file to a group.
Result<io::Acceptor> listen_admin(io::Executor executor, const std::string& path) {
    std::error_code error;
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    if (!parent.empty()) std::filesystem::create_directories(parent, error);
    if (error) return fail_errno(error.value(), "creating " + parent.string());
    const LocalAdmins admins = read_local_admins();
    const bool shared = admins.group_known && (admins.own_uid == 0 || ::getegid() == admins.group ||
                                               admins.members.contains(admins.own_uid));
    return io::listen_unix(executor, path, shared ? 0660 : 0600,
                           shared ? admins.group : static_cast<gid_t>(-1));
}

} // namespace

// In the order of use: what comes later refers to what comes before.
struct Server::Parts {
    Parts(io::Executor on, config::ServerConfig with, std::string of_program,
          RestoredServer restored)
        : executor(on),
          config(std::move(with)),
          version(std::move(of_program)),
          raft(on, std::move(restored), {.version = version}),
          hub(raft.registry().index()),
          sessions(on, raft, config.node, config.session_timeout),
          stopped(on),
          tasks(on) {
        raft.on_applied([this](std::uint64_t index, const std::vector<model::Change>& changes) {
            hub.publish(index, changes);
            for (const model::Change& change : changes) {
                if (concerns_authority(change.kind)) reload_authority();
                if (change.kind == model::Kind::server && cluster) cluster->members_changed();
            }
        });
        raft.on_installed([this] {
            hub.reset(raft.registry().index());
            reload_authority();
            if (cluster) cluster->members_changed();
        });
    }

    io::Task<Result<void>> catch_up();
    Result<void> open_audit();
    Result<void> assemble();
    Result<void> listen();
    void serve();
    [[nodiscard]] bool is_known(const rpc::Caller& caller) const;
    io::Task<void> watch_raft();
    void reload_authority();

    io::Executor executor;
    config::ServerConfig config;
    std::string version;
    RaftNode raft;
    WatchHub hub;
    Sessions sessions;
    Refusals refusals;
    std::unique_ptr<AuditTrail> audit;
    std::unique_ptr<AuditHeads> audit_heads;
    std::unique_ptr<AuthorityKeeper> authority;
    std::optional<Welcome> welcome;
    std::unique_ptr<Cluster> cluster;
    std::unique_ptr<AuthorityUpkeep> authority_upkeep;
    std::unique_ptr<Upkeep> upkeep;
    std::unique_ptr<SnapshotKeeper> snapshots;
    std::unique_ptr<Api> api;
    std::optional<io::Acceptor> network, admin;
    Endpoint endpoint;
    bool stopping = false;
    Broadcast stopped;
    io::TaskGroup tasks;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Server::~Server() = default;

io::Task<Result<std::unique_ptr<Server>>> Server::open(io::Executor executor,
                                                       config::ServerConfig config,
                                                       std::string version) {
    Result<RestoredServer> restored = restore(config.data_dir);
    if (!restored) co_return fail(std::move(restored.error()));
    auto parts = std::make_unique<Parts>(executor, std::move(config), std::move(version),
                                         std::move(*restored));
    if (Result<void> current = co_await parts->catch_up(); !current)
        co_return fail(std::move(current.error()));
    if (Result<void> opened = parts->open_audit(); !opened)
        co_return fail(std::move(opened.error()));
    if (Result<void> assembled = parts->assemble(); !assembled)
        co_return fail(std::move(assembled.error()));
    co_return std::unique_ptr<Server>(new Server(std::move(parts)));
}

// A server that is alone is current before it listens. One of several listens first, or those that
// start together would wait for each other; until it is current it refuses what must be.
io::Task<Result<void>> Server::Parts::catch_up() {
    if (raft.alone()) {
        if (Result<void> started = co_await raft.start(start_timeout); !started) co_return started;
    }
    Result<std::optional<Welcome>> stored = load_welcome(config.data_dir);
    if (!stored) co_return fail(std::move(stored.error()));
    welcome = std::move(*stored);
    if (raft.registry().tables().trust() != nullptr || welcome) co_return Result<void>();
    co_return fail(ErrorCode::failed_precondition,
                   std::format("{} holds no trust domain yet; run hawser init first, or hawser "
                               "server join",
                               config.data_dir));
}

// Before anything is done that belongs into it.
Result<void> Server::Parts::open_audit() {
    Result<audit::Log> opened =
        audit::Log::open(audit_options(config),
                         known_audit_head(raft.registry().tables(), config.node), io::wall_now());
    if (!opened) return fail(std::move(opened.error()));
    audit = std::make_unique<AuditTrail>(executor, std::move(*opened), config.node);
    audit_heads = std::make_unique<AuditHeads>(raft, *audit, config.node);
    raft.set_audit(*audit);
    return {};
}

Result<void> Server::Parts::assemble() {
    const registry::Tables& tables = raft.registry().tables();
    AuthorityRows rows = tables.trust() != nullptr
                             ? authority_rows(tables)
                             : AuthorityRows{.domain = welcome->domain,
                                             .authority = welcome->authority,
                                             .index = welcome->authority_index};
    const std::string trust_domain = rows.domain.name;
    Result<std::unique_ptr<AuthorityKeeper>> loaded = AuthorityKeeper::load(
        {.data_dir = config.data_dir,
         .server = config.node,
         .certificate_lifetime = config.certificate_lifetime,
         .sealing_key = sealing_key_place(config),
         .record = [this](audit::Entry entry) { return audit->record_now(std::move(entry)); }},
        std::move(rows), io::wall_now());
    if (!loaded) return fail(std::move(loaded.error()));
    authority = std::move(*loaded);
    if (Result<void> listening = listen(); !listening) return listening;
    cluster = std::make_unique<Cluster>(
        Cluster::Parts{.executor = executor,
                       .raft = raft,
                       .refusals = refusals,
                       .self = {.id = raft.id(),
                                .name = config.node,
                                .addresses = reachable_at(config, endpoint, std::nullopt)},
                       .trust_domain = trust_domain,
                       .version = version,
                       .credentials = [this] { return authority->credentials(); }});
    if (welcome) cluster->introduce(membership_of(*welcome));
    authority_upkeep =
        std::make_unique<AuthorityUpkeep>(AuthorityUpkeep::Parts{.executor = executor,
                                                                 .config = config,
                                                                 .raft = raft,
                                                                 .sessions = sessions,
                                                                 .cluster = *cluster,
                                                                 .keeper = *authority});
    upkeep = std::make_unique<Upkeep>(
        Upkeep::Parts{.executor = executor,
                      .raft = raft,
                      .sessions = sessions,
                      .cluster = *cluster,
                      .authority = *authority_upkeep,
                      .version = version,
                      .autopilot = {.dead_after = config.dead_server_after}});
    snapshots = std::make_unique<SnapshotKeeper>(
        executor, raft,
        SnapshotKeeper::Options{.folder = config.snapshot_dir,
                                .interval = config.snapshot_interval,
                                .keep = config.snapshots_kept,
                                .version = version});
    api = std::make_unique<Api>(Api::Parts{.executor = executor,
                                           .config = config,
                                           .raft = raft,
                                           .sessions = sessions,
                                           .hub = hub,
                                           .authority = *authority,
                                           .authority_upkeep = *authority_upkeep,
                                           .audit = *audit,
                                           .audit_heads = *audit_heads,
                                           .cluster = *cluster,
                                           .upkeep = *upkeep,
                                           .snapshots = *snapshots,
                                           .refusals = refusals,
                                           .listen = endpoint,
                                           .version = version});
    return {};
}

Result<void> Server::Parts::listen() {
    Result<io::Acceptor> tcp = io::listen_tcp(executor, config.listen);
    if (!tcp) return fail(std::move(tcp.error()));
    Result<Endpoint> bound = io::local_endpoint(tcp->native_handle());
    if (!bound) return fail(std::move(bound.error()));
    Result<io::Acceptor> local = listen_admin(executor, config.socket);
    if (!local) return fail(std::move(local.error()));
    endpoint = *bound;
    network.emplace(std::move(*tcp));
    admin.emplace(std::move(*local));
    return {};
}

bool Server::Parts::is_known(const rpc::Caller& caller) const {
    return identify_node(caller, raft.registry().tables()).has_value() || cluster->knows(caller);
}

void Server::Parts::serve() {
    const auto count_refusal = [this](const Error& error) {
        refusals.count(Refused::connection, error.code);
    };
    rpc::Methods methods = api->network_methods();
    cluster->add_to(methods);
    authority_upkeep->add_to(methods);
    upkeep->add_to(methods);
    tasks.spawn(rpc::serve(std::move(*network), std::move(methods),
                           {.max_connections = limits::server_connections,
                            .credentials = [this] { return authority->credentials(); },
                            .known = [this](const rpc::Caller& caller) { return is_known(caller); },
                            .name = "server",
                            .on_refused = count_refusal}));
    tasks.spawn(rpc::serve(std::move(*admin), api->local_methods(),
                           {.max_connections = limits::admin_connections,
                            .credentials = nullptr,
                            .known = nullptr,
                            .name = "admin",
                            .on_refused = count_refusal}));
}

io::Task<Result<void>> Server::run() {
    Parts& parts = *parts_;
    // Being cancelled is being stopped: what runs is drained all the same.
    co_await asio::this_coro::throw_if_cancelled(false);
    parts.serve();
    parts.cluster->start();
    parts.upkeep->start();
    parts.authority_upkeep->start();
    parts.tasks.spawn(parts.sessions.supervise());
    parts.tasks.spawn(parts.authority->keep_renewed());
    parts.tasks.spawn(parts.snapshots->run());
    parts.tasks.spawn(parts.audit_heads->run());
    parts.tasks.spawn(parts.watch_raft());
    if (!parts.stopping) co_await parts.stopped.wait_until(Broadcast::Deadline::max());

    parts.sessions.end_all("the server is stopping");
    co_await parts.audit_heads->publish(last_head_timeout);
    // While the others can still be talked to: they are given the leadership and what is under way.
    co_await parts.raft.stop(storing_timeout);
    parts.upkeep->cancel();
    parts.authority_upkeep->cancel();
    parts.cluster->end_streams();
    parts.hub.close();
    parts.tasks.cancel();
    co_await parts.tasks.join();
    co_await parts.sessions.join();
    parts.cluster->cancel();
    co_await parts.upkeep->join();
    co_await parts.authority_upkeep->join();
    co_await parts.cluster->join();
    const Result<audit::Head> synced = co_await parts.audit->sync();
    if (!synced) log::error("the end of the audit log may be lost", {{"error", synced.error()}});
    co_await asio::this_coro::throw_if_cancelled(true);
    if (parts.raft.failure()) co_return fail(*parts.raft.failure());
    co_return Result<void>();
}

void Server::Parts::reload_authority() {
    if (authority_upkeep) authority_upkeep->changed(); // else still opening
}

// A server that can no longer write had better be started again.
io::Task<void> Server::Parts::watch_raft() {
    while (!raft.failure()) co_await raft.changed().wait_until(Broadcast::Deadline::max());
    stopping = true;
    stopped.notify_all();
}

void Server::stop() {
    parts_->stopping = true;
    parts_->stopped.notify_all();
}

Endpoint Server::endpoint() const {
    return parts_->endpoint;
}
const std::string& Server::socket() const {
    return parts_->config.socket;
}
const model::TrustDomain& Server::trust_domain() const {
    return parts_->authority->rows().domain;
}
RaftStatus Server::raft_status() const {
    return parts_->raft.status();
}
const registry::Registry& Server::registry() const {
    return parts_->raft.registry();
}

} // namespace hawser::server
