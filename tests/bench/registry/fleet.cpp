#include "fleet.h"

#include <algorithm>
#include <format>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/limits.h"
#include "ca/tokens.h"
#include "io/task_group.h"
#include "model/codec.h"
#include "model/row.h"
#include "tls/x509.h"

namespace hawser::bench {

namespace {

constexpr std::chrono::milliseconds patience{30'000};
constexpr std::size_t joining_at_once = 8; // below what a server lets one address try
constexpr std::size_t services_per_write = 500;

std::string node_name(std::size_t node) {
    return std::format("node-{:04}", node);
}

// Of the services, those which have an instance on the node.
std::vector<std::string> services_of(const FleetOptions& options, std::size_t node) {
    std::vector<std::string> names;
    const std::size_t count = options.instances_per_node();
    for (std::size_t i = 0; i < count; ++i)
        names.push_back(key_name((node * count + i) % options.services));
    return names;
}

// What the clients of one growing share. Outlives them.
struct Growth {
    Growth(const System& system, FleetOptions chosen)
        : operators(system), options(std::move(chosen)), nodes(options.nodes + 1) {}

    const System& operators;
    FleetOptions options;
    std::vector<NodeIdentity> nodes;
    std::size_t next_node = 0;
    Known known;
    std::optional<Error> failure;
};

io::Task<Result<void>> add_services(Growth& growth) {
    auto client = co_await growth.operators.connect(growth.options.endpoints.front(), patience);
    if (!client) co_return fail(std::move(client.error()));
    for (std::size_t first = 0; first < growth.options.services; first += services_per_write) {
        model::ApplyResources command;
        const std::size_t end = std::min(first + services_per_write, growth.options.services);
        for (std::size_t i = first; i < end; ++i) command.services.push_back({.name = key_name(i)});
        v1::ApplyRequest request;
        *request.mutable_resources() = model::to_proto(command);
        const auto answer =
            co_await (*client)->call<v1::ApplyResponse>("/hawser.v1.Api/Apply", request, patience);
        if (!answer) co_return fail(answer.error(), "adding services");
    }
    auto known = co_await know_all(growth.operators, growth.options.endpoints.front());
    if (!known) co_return fail(std::move(known.error()));
    growth.known = *known;
    co_return Result<void>();
}

io::Task<Result<void>> add_node(Growth& growth, std::size_t number) {
    const Endpoint server = growth.options.endpoints[number % growth.options.endpoints.size()];
    auto identity = co_await join_node(growth.operators, server, growth.options, number);
    if (!identity) co_return fail(std::move(identity.error()), "joining");
    auto stream = co_await AgentStream::open(server, *identity, growth.known);
    if (!stream) co_return fail(std::move(stream.error()), "opening a session");
    auto index = co_await stream->register_node(registration(growth.options, number, ""));
    if (!index) co_return fail(std::move(index.error()), "registering");
    growth.known.index = std::max(growth.known.index, *index);
    growth.nodes[number] = *std::move(identity);
    co_return Result<void>();
}

io::Task<void> add_nodes(Growth& growth) {
    while (growth.next_node < growth.nodes.size() && !growth.failure) {
        const std::size_t number = growth.next_node++;
        if (auto added = co_await add_node(growth, number); !added)
            growth.failure = std::move(added.error()).context(node_name(number));
    }
}

io::Task<Result<ca::JoinTokenText>> create_token(const System& operators, Endpoint server,
                                                 const FleetOptions& options, std::size_t node) {
    auto client = co_await operators.connect(server, patience);
    if (!client) co_return fail(std::move(client.error()));
    v1::CreateTokenRequest request;
    request.set_node(node_name(node));
    for (const std::string& service : services_of(options, node)) request.add_services(service);
    const auto answer = co_await (*client)->call<v1::CreateTokenResponse>(
        "/hawser.v1.Api/CreateToken", request, patience);
    if (!answer) co_return fail(answer.error());
    co_return ca::JoinTokenText::parse(answer->token());
}

} // namespace

v1::SyncNode registration(const FleetOptions& options, std::size_t node,
                          const std::string& reason) {
    model::SyncNode command{
        .node = node_name(node),
        .zone = std::format("region-1/zone-{}", node % 3),
        .tunnel = {.address = IpAddress::v4(0x0a000000U + static_cast<std::uint32_t>(node)),
                   .port = 15008},
        .version = "bench"};
    for (const std::string& service : services_of(options, node)) {
        command.instances.push_back({.node = command.node,
                                     .service = service,
                                     .port = 8080,
                                     .labels = {{"version", "v1"}},
                                     .health = model::Health::passing});
    }
    if (!command.instances.empty()) command.instances.front().health_reason = reason;
    return model::to_proto(command);
}

io::Task<Result<NodeIdentity>> join_node(const System& operators, Endpoint server,
                                         const FleetOptions& options, std::size_t node) {
    const auto token = co_await create_token(operators, server, options, node);
    if (!token) co_return fail(token.error(), "creating a token");
    // A server may close a connection without a certificate that does not ask anything.
    auto client = co_await operators.connect(server, patience);
    if (!client) co_return fail(std::move(client.error()));
    const auto& peer = (*client)->peer();
    if (!peer) co_return fail(ErrorCode::unauthenticated, "the server has no certificate");
    NodeIdentity identity{.name = token->node, .trust_domain = peer->identity.trust_domain};
    Result<std::string> key = tls::generate_key_pem();
    if (!key) co_return fail(std::move(key.error()));
    identity.key_pem = *std::move(key);
    auto csr = tls::make_csr(identity.key_pem, {.trust_domain = identity.trust_domain,
                                                .kind = model::IdentityKind::node,
                                                .name = identity.name});
    if (!csr) co_return fail(std::move(csr.error()));
    v1::JoinRequest request;
    request.set_token_id(token->id);
    request.set_token_secret(token->secret);
    request.set_node(identity.name);
    request.set_node_csr(*std::move(csr));
    const auto answer =
        co_await (*client)->call<v1::JoinResponse>("/hawser.v1.Mesh/Join", request, patience);
    if (!answer) co_return fail(answer.error());
    identity.chain_pem = answer->node_chain();
    identity.roots.assign(answer->roots().begin(), answer->roots().end());
    co_return identity;
}

io::Task<Result<Known>> know_all(const System& operators, Endpoint server) {
    auto client = co_await operators.connect(server, patience);
    if (!client) co_return fail(std::move(client.error()));
    v1::GetRequest request;
    request.set_kind(std::string(model::to_string(model::Kind::trust_domain)));
    const auto answer =
        co_await (*client)->call<v1::GetResponse>("/hawser.v1.Api/Get", request, patience);
    if (!answer) co_return fail(answer.error(), "reading the index");
    v1::TrustDomain domain;
    if (answer->rows_size() != 1 || !domain.ParseFromString(answer->rows(0).value()))
        co_return fail(ErrorCode::corrupt, "there is not one trust domain");
    co_return Known{.index = answer->index(), .epoch = domain.epoch()};
}

io::Task<Result<AgentStream>> AgentStream::open(Endpoint server, const NodeIdentity& identity,
                                                Known known) {
    tls::CredentialsOptions options{
        .trust_domain = identity.trust_domain,
        .own = tls::KeyPair{.chain_pem = identity.chain_pem, .key_pem = identity.key_pem},
        .trust = {.roots = identity.roots},
        .alpn = {"h2"}};
    auto credentials = tls::make_credentials(std::move(options));
    if (!credentials) co_return fail(std::move(credentials.error()));
    auto client =
        co_await rpc::Client::connect_tls(server, *std::move(credentials), {.timeout = patience});
    if (!client) co_return fail(std::move(client.error()));
    auto stream = co_await (*client)->open_stream("/hawser.v1.Mesh/Session");
    if (!stream) co_return fail(std::move(stream.error()));
    AgentStream opened(*std::move(client), *std::move(stream));
    v1::AgentMessage hello;
    hello.mutable_hello()->set_version("bench");
    hello.mutable_hello()->set_have_index(known.index);
    hello.mutable_hello()->set_epoch(known.epoch);
    if (auto sent = co_await opened.send(std::move(hello)); !sent)
        co_return fail(std::move(sent.error()));
    co_return opened;
}

io::Task<Result<void>> AgentStream::send(v1::AgentMessage message) {
    co_return co_await stream_->write(message.SerializeAsString(), patience);
}

io::Task<Result<v1::ServerMessage>> AgentStream::receive() {
    auto bytes = co_await stream_->read(patience);
    if (!bytes) co_return fail(std::move(bytes.error()));
    if (!*bytes) co_return fail(ErrorCode::unavailable, "the server ended the session");
    v1::ServerMessage message;
    if (!message.ParseFromString(**bytes)) co_return fail(ErrorCode::corrupt, "not a message");
    co_return message;
}

io::Task<Result<std::uint64_t>> AgentStream::register_node(v1::SyncNode node) {
    v1::AgentMessage message;
    *message.mutable_registration() = std::move(node);
    if (auto sent = co_await send(std::move(message)); !sent)
        co_return fail(std::move(sent.error()));
    while (true) {
        auto answer = co_await receive();
        if (!answer) co_return fail(std::move(answer.error()));
        if (answer->has_refused())
            co_return fail(ErrorCode::permission_denied, answer->refused().reason());
        if (answer->has_registered()) co_return answer->registered().index();
    }
}

io::Task<Result<std::vector<NodeIdentity>>> grow_mesh(const System& operators,
                                                      FleetOptions options) {
    const io::Executor executor = co_await asio::this_coro::executor;
    Growth growth(operators, std::move(options));
    if (auto added = co_await add_services(growth); !added) co_return fail(added.error());
    io::TaskGroup tasks(executor);
    for (std::size_t i = 0; i < joining_at_once; ++i) tasks.spawn(add_nodes(growth));
    co_await tasks.join();
    if (growth.failure) co_return fail(std::move(*growth.failure));
    co_return std::move(growth.nodes);
}

Result<void> save(const std::vector<NodeIdentity>& nodes, const std::string& path) {
    nlohmann::json list = nlohmann::json::array();
    for (const NodeIdentity& node : nodes) {
        nlohmann::json roots = nlohmann::json::array();
        for (const std::string& root : node.roots) roots.push_back(to_hex(as_bytes(root)));
        list.push_back({{"name", node.name},
                        {"chain", node.chain_pem},
                        {"key", node.key_pem},
                        {"trust_domain", node.trust_domain},
                        {"roots", roots}});
    }
    std::ofstream file(path);
    file << list;
    file.close();
    if (!file) return fail(ErrorCode::internal, path + ": cannot be written");
    return {};
}

Result<std::vector<NodeIdentity>> load_nodes(const std::string& path) {
    std::ifstream file(path);
    const nlohmann::json list = nlohmann::json::parse(file, nullptr, false);
    if (!list.is_array()) return fail(ErrorCode::corrupt, path + ": has no nodes");
    std::vector<NodeIdentity> nodes;
    for (const nlohmann::json& each : list) {
        NodeIdentity node{.name = each.value("name", ""),
                          .chain_pem = each.value("chain", ""),
                          .key_pem = each.value("key", ""),
                          .trust_domain = each.value("trust_domain", "")};
        for (const nlohmann::json& root : each.value("roots", nlohmann::json::array())) {
            Result<std::string> der = from_hex(root.get<std::string>());
            if (!der) return fail(std::move(der.error()), path);
            node.roots.push_back(*std::move(der));
        }
        nodes.push_back(std::move(node));
    }
    return nodes;
}

} // namespace hawser::bench
