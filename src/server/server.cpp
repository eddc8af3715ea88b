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
#include "server/authority_keeper.h"
#include "server/sessions.h"
#include "server/watch_hub.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds start_timeout{30'000};
constexpr std::chrono::milliseconds storing_timeout{5'000};

Result<RestoredServer> restore(const std::string& data_dir) {
    Result<Storage> storage = open_storage(data_dir);
    if (!storage) return fail(std::move(storage.error()));
    if (storage->log.id() == raft::no_server) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{} holds no mesh yet; run hawser init first", data_dir));
    }
    return restore_server(std::move(*storage));
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
    Parts(io::Executor on, config::ServerConfig with, RestoredServer restored)
        : executor(on),
          config(std::move(with)),
          raft(on, std::move(restored)),
          hub(raft.registry().index()),
          sessions(on, raft, config.node, config.session_timeout),
          stopped(on),
          tasks(on) {
        raft.on_applied([this](std::uint64_t index, const std::vector<model::Change>& changes) {
            hub.publish(index, changes);
            for (const model::Change& change : changes) {
                if (change.kind == model::Kind::trust_domain) reload_authority();
            }
        });
    }

    Result<void> listen();
    [[nodiscard]] std::vector<Endpoint> reachable() const;
    io::Task<void> watch_raft();
    void reload_authority();

    io::Executor executor;
    config::ServerConfig config;
    RaftNode raft;
    WatchHub hub;
    Sessions sessions;
    Refusals refusals;
    std::unique_ptr<AuthorityKeeper> authority;
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
    auto parts = std::make_unique<Parts>(executor, std::move(config), std::move(*restored));
    if (Result<void> started = co_await parts->raft.start(start_timeout); !started) {
        co_return fail(std::move(started.error()));
    }
    const model::TrustDomain* domain = parts->raft.registry().tables().trust();
    if (domain == nullptr) {
        co_return fail(ErrorCode::failed_precondition,
                       std::format("{} holds no trust domain yet; run hawser init first",
                                   parts->config.data_dir));
    }
    Result<std::unique_ptr<AuthorityKeeper>> authority =
        AuthorityKeeper::load({.data_dir = parts->config.data_dir,
                               .server = parts->config.node,
                               .certificate_lifetime = parts->config.certificate_lifetime},
                              *domain, io::wall_now());
    if (!authority) co_return fail(std::move(authority.error()));
    parts->authority = std::move(*authority);
    if (Result<void> listening = parts->listen(); !listening) {
        co_return fail(std::move(listening.error()));
    }
    parts->api = std::make_unique<Api>(Api::Parts{.executor = executor,
                                                  .config = parts->config,
                                                  .raft = parts->raft,
                                                  .sessions = parts->sessions,
                                                  .hub = parts->hub,
                                                  .authority = *parts->authority,
                                                  .refusals = parts->refusals,
                                                  .listen = parts->endpoint,
                                                  .reachable = parts->reachable(),
                                                  .version = std::move(version)});
    co_return std::unique_ptr<Server>(new Server(std::move(parts)));
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

// What goes into join tokens: what the operator said, or where we listen if that is one address.
std::vector<Endpoint> Server::Parts::reachable() const {
    if (!config.advertise.empty()) return config.advertise;
    if (endpoint.address.is_unspecified()) return {};
    return {endpoint};
}

io::Task<Result<void>> Server::run() {
    Parts& parts = *parts_;
    // Being cancelled is being stopped: what runs is drained all the same.
    co_await asio::this_coro::throw_if_cancelled(false);
    const auto count_refusal = [&parts](const Error& error) {
        parts.refusals.count(Refused::connection, error.code);
    };
    parts.tasks.spawn(rpc::serve(
        std::move(*parts.network), parts.api->network_methods(),
        {.max_connections = limits::server_connections,
         .credentials = [&parts] { return parts.authority->credentials(); },
         .known =
             [&parts](const rpc::Caller& caller) {
                 return identify_node(caller, parts.raft.registry().tables()).has_value();
             },
         .name = "server",
         .on_refused = count_refusal}));
    parts.tasks.spawn(rpc::serve(std::move(*parts.admin), parts.api->local_methods(),
                                 {.max_connections = limits::admin_connections,
                                  .credentials = nullptr,
                                  .known = nullptr,
                                  .name = "admin",
                                  .on_refused = count_refusal}));
    parts.tasks.spawn(parts.sessions.supervise());
    parts.tasks.spawn(parts.authority->keep_renewed());
    parts.tasks.spawn(parts.watch_raft());
    if (!parts.stopping) co_await parts.stopped.wait_until(Broadcast::Deadline::max());

    parts.sessions.end_all("the server is stopping");
    parts.tasks.cancel();
    co_await parts.tasks.join();
    co_await parts.sessions.join();
    co_await parts.raft.stop(storing_timeout);
    co_await asio::this_coro::throw_if_cancelled(true);
    if (parts.raft.failure()) co_return fail(*parts.raft.failure());
    co_return Result<void>();
}

void Server::Parts::reload_authority() {
    if (authority == nullptr) return; // still opening
    const Result<void> done = authority->reload(*raft.registry().tables().trust(), io::wall_now());
    if (done) {
        log::info("the certificate authority is new", {});
    } else {
        log::error("the old certificate authority is still used", {{"error", done.error()}});
    }
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
    return *parts_->raft.registry().tables().trust();
}
RaftStatus Server::raft_status() const {
    return parts_->raft.status();
}
const registry::Registry& Server::registry() const {
    return parts_->raft.registry();
}

} // namespace hawser::server
