#include "server/cluster_fixture.h"

#include <algorithm>

#include "io/clock.h"
#include "model/row.h"
#include "raft/bootstrap.h"
#include "tls/x509.h"

namespace hawser::server::test {

namespace {

const std::string trust_domain = "hawser.local";

} // namespace

model::CommandEnvelope envelope(model::Command command) {
    return {.command = std::move(command), .actor = "test", .proposed_at = 1'000};
}

model::InitTrust init_trust() {
    model::InitTrust init;
    init.domain.vip4 = *Cidr::parse("240.0.0.0/8");
    init.domain.vip6 = *Cidr::parse("fd68:6177::/64");
    init.domain.roots = {"root"};
    init.first_operator = {.id = "0a",
                           .secret_hash = std::string(32, 'o'),
                           .role = model::Role::admin,
                           .created_at = 1};
    return init;
}

model::ApplyResources services(const std::vector<std::string>& names) {
    model::ApplyResources apply;
    for (const std::string& name : names) apply.services.emplace_back().name = name;
    return apply;
}

// --- certificates ----------------------------------------------------------------------------

TestAuthority::TestAuthority() {
    Result<ca::NewAuthority> made = ca::create_authority(trust_domain, io::wall_now());
    REQUIRE(made.has_value());
    Result<ca::Authority> loaded = ca::Authority::load(
        trust_domain, made->root_der, {made->intermediate_der}, made->intermediate_key_pem);
    REQUIRE(loaded.has_value());
    authority_ = std::move(*loaded);
}

tls::CredentialsPtr TestAuthority::issue(model::IdentityKind kind, const std::string& name,
                                         const std::string& domain) const {
    const model::Identity identity{.trust_domain = domain, .kind = kind, .name = name};
    const std::string key = *tls::generate_key_pem();
    Result<std::string> chain = authority_->sign(as_bytes(*tls::make_csr(key, identity)), identity,
                                                 io::wall_now(), std::chrono::hours(1));
    if (!chain) FAIL(chain.error().message);
    Result<tls::CredentialsPtr> credentials =
        tls::make_credentials({.trust_domain = trust_domain,
                               .own = tls::KeyPair{.chain_pem = *chain, .key_pem = key},
                               .trust = {.roots = {authority_->root_der()},
                                         .intermediates = {authority_->intermediate_der()}},
                               .alpn = {"h2"},
                               .client_auth = tls::ClientAuth::optional,
                               .root_pin = std::nullopt});
    if (!credentials) FAIL(credentials.error().message);
    return *credentials;
}

// --- a server --------------------------------------------------------------------------------

ClusterServer::ClusterServer(Cluster& cluster, std::string called, raft::ServerId with_id)
    : name(std::move(called)), id(with_id), cluster_(cluster) {}

ClusterServer::~ClusterServer() {
    if (running()) crash();
}

void ClusterServer::start() {
    Result<Storage> storage = open_storage(cluster_.directory.file(name));
    if (!storage) FAIL(storage.error().message);
    if (storage->log.id() == raft::no_server) {
        REQUIRE(storage->log.bootstrap(id, {}).has_value()); // one that joins
    }
    Result<RestoredServer> restored = restore_server(std::move(*storage), cluster_.options.raft);
    if (!restored) FAIL(restored.error().message);
    const io::Executor executor = cluster_.runner.executor();
    auto acceptor = io::listen_tcp(executor, *Endpoint::parse("127.0.0.1:0"));
    if (!acceptor) FAIL(acceptor.error().message);
    endpoint = *io::local_endpoint(acceptor->native_handle());
    cluster_.point_roads(*this);
    node = std::make_unique<RaftNode>(executor, std::move(*restored), cluster_.options.node);
    node->on_installed([this] { ++installed; });

    directory =
        std::make_unique<PeerDirectory>(Member{.id = id, .name = name, .addresses = {}},
                                        [this] { return cluster_.members_as_seen_by(*this); });
    const tls::CredentialsPtr credentials =
        cluster_.authority.issue(model::IdentityKind::server, name);
    peers = std::make_unique<Peers>(
        PeerLinkParts{.executor = executor,
                      .directory = *directory,
                      .trust_domain = trust_domain,
                      .version = "test",
                      .credentials = [credentials] { return credentials; }});
    api = std::make_unique<PeerApi>(PeerApi::Parts{
        .directory = *directory,
        .refusals = refusals,
        .trust_domain = trust_domain,
        .version = "test",
        .receive = [this](raft::Message message) { node->receive(std::move(message)); },
        .accept =
            [this](std::vector<raft::Payload> commands) {
                return node->accept(std::move(commands));
            },
        .learned = [this] { peers->refresh(); },
        .unknown = [this] { peers->ask_who_is_member(); }});
    rpc::Methods methods;
    api->add_to(methods);
    listening_ = std::make_unique<io::TaskGroup>(executor);
    listening_->spawn(rpc::serve(std::move(*acceptor), methods,
                                 {.max_connections = 64,
                                  .credentials = [credentials] { return credentials; },
                                  .known = nullptr,
                                  .name = name,
                                  .on_refused = nullptr}));
    node->set_transport(*peers);
    peers->refresh();
    node->launch();
}

void ClusterServer::crash() {
    peers->cancel();
    api->end_all(); // or the listener would wait for them
    listening_->cancel();
    cluster_.runner.run(peers->join());
    cluster_.runner.run(listening_->join());
    node.reset();
    listening_.reset();
    api.reset();
    peers.reset();
    directory.reset();
}

Result<registry::Outcome> ClusterServer::propose(model::Command command) {
    return cluster_.runner.run(node->propose(envelope(std::move(command))));
}

bool ClusterServer::has_service(const std::string& service) const {
    return node->registry().tables().get<model::Service>(service) != nullptr;
}

std::string ClusterServer::state() const {
    std::string text = node->registry().meta();
    for (const model::Change& row : node->registry().rows()) {
        text += std::format("{}/{}@{}:{}\n", model::to_string(row.kind), row.key, row.index,
                            model::encode(*row.value));
    }
    return text;
}

// --- the cluster -----------------------------------------------------------------------------

Cluster::Cluster(Options with) : options(std::move(with)) {
    std::vector<raft::ServerId> ids;
    for (std::size_t i = 0; i < options.servers; ++i) {
        ids.push_back(add("s" + std::to_string(i + 1)).id);
    }
    for (const auto& server : servers) {
        Result<Storage> storage = open_storage(directory.file(server->name));
        REQUIRE(storage.has_value());
        REQUIRE(storage->log.bootstrap(server->id, raft::bootstrap(ids)).has_value());
    }
    for (const auto& server : servers) server->start();
    const Result<registry::Outcome> made = leader().propose(init_trust());
    if (!made) FAIL(made.error().message);
}

Cluster::~Cluster() {
    for (const auto& server : servers) {
        if (server->running()) server->crash();
    }
    for (const auto& [pair, road] : roads_) runner.run(road->end());
}

ClusterServer& Cluster::add(std::string name) {
    servers.push_back(std::make_unique<ClusterServer>(*this, std::move(name), next_id_++));
    return *servers.back();
}

void Cluster::unlist(const std::string& name) {
    unlisted_.insert(name);
    for (const auto& server : servers) {
        if (!server->running() || server->name == name) continue;
        server->peers->refresh();
        server->api->refresh();
    }
}

// The relays stand for the servers, so that each pair's road can be cut.
Membership Cluster::members_as_seen_by(const ClusterServer& viewer) {
    Membership membership{.index = 1, .members = {}};
    for (const auto& server : servers) {
        if (unlisted_.contains(server->name)) continue;
        Member member{.id = server->id, .name = server->name, .addresses = {}};
        if (server.get() != &viewer && server->endpoint.port != 0) {
            std::unique_ptr<Relay>& road = roads_[{viewer.id, server->id}];
            if (!road) road = std::make_unique<Relay>(runner.executor(), server->endpoint);
            member.addresses = {road->endpoint()};
        }
        membership.members.push_back(std::move(member));
    }
    return membership;
}

// A port that was given back may be somebody else's by now.
void Cluster::point_roads(const ClusterServer& to) {
    for (const auto& [pair, road] : roads_) {
        if (pair.second == to.id) road->point_to(to.endpoint);
    }
}

void Cluster::set_road(const ClusterServer& from, const ClusterServer& to, Relay::State state) {
    const auto road = roads_.find({from.id, to.id});
    if (road != roads_.end()) road->second->set(state);
}

void Cluster::isolate(const ClusterServer& server, Relay::State state) {
    for (const auto& other : servers) {
        if (other.get() == &server) continue;
        set_road(server, *other, state);
        set_road(*other, server, state);
    }
}

void Cluster::heal() {
    for (const auto& [pair, road] : roads_) road->set(Relay::State::open);
    for (const auto& server : servers) {
        if (server->running()) server->peers->refresh();
    }
}

ClusterServer& Cluster::leader(const std::set<std::string>& except) {
    ClusterServer* found = nullptr;
    runner.until([&] {
        found = nullptr;
        std::set<raft::ServerId> known;
        for (const auto& server : servers) {
            if (!server->running() || except.contains(server->name)) continue;
            const RaftStatus status = server->node->status();
            known.insert(status.leader);
            if (server->node->leads()) found = server.get();
        }
        return found != nullptr && known == std::set<raft::ServerId>{found->id};
    });
    return *found;
}

std::vector<ClusterServer*> Cluster::followers() {
    const ClusterServer& leading = leader();
    std::vector<ClusterServer*> others;
    for (const auto& server : servers) {
        if (server->running() && server.get() != &leading) others.push_back(server.get());
    }
    return others;
}

void Cluster::write(ClusterServer& at, const std::string& service) {
    const Result<registry::Outcome> outcome = at.propose(services({service}));
    if (!outcome) FAIL(service, ": ", outcome.error().message);
    CHECK(at.has_service(service)); // whoever wrote here reads it here
}

void Cluster::converge() {
    for (const auto& server : servers) {
        if (!server->running()) continue;
        const Result<void> caught_up = runner.run(server->node->read_barrier(patience));
        if (!caught_up) FAIL(server->name, ": ", caught_up.error().message);
    }
    runner.until([&] {
        std::set<std::string> states;
        for (const auto& server : servers) {
            if (server->running()) states.insert(server->state());
        }
        return states.size() == 1;
    });
}

} // namespace hawser::server::test
