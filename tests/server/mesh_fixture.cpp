#include "server/mesh_fixture.h"

#include "base/bytes.h"
#include "server/storage.h"

namespace hawser::server::test {

namespace {

constexpr std::chrono::milliseconds step_timeout{10'000};

config::ServerConfig make_config(const store::test::TemporaryDirectory& directory,
                                 Duration session_timeout) {
    config::ServerConfig config;
    config.node = "s1";
    config.data_dir = directory.file("data");
    config.socket = directory.file("server.sock");
    config.listen = *Endpoint::parse("127.0.0.1:0");
    config.vip4 = *Cidr::parse("240.0.0.0/8");
    config.vip6 = *Cidr::parse("fd68:6177::/64");
    config.session_timeout = session_timeout;
    return config;
}

} // namespace

MeshFixture::MeshFixture(Duration session_timeout)
    : config(make_config(directory, session_timeout)) {
    Result<InitResult> made = init(config);
    if (!made) FAIL(made.error().message);
    init_result = std::move(*made);
    start_server();
}

MeshFixture::~MeshFixture() {
    if (server) stop_server();
}

void MeshFixture::start_server() {
    Result<std::unique_ptr<Server>> opened =
        runner.run(Server::open(runner.executor(), config, "test"));
    if (!opened) FAIL(opened.error().message);
    server = std::move(*opened);
    config.listen = server->endpoint(); // the same port after a restart
    ended.reset();
    tasks_ = std::make_unique<io::TaskGroup>(runner.executor());
    tasks_->spawn(run_server());
    // It writes down who it is, once: no test is to count that among its own writes.
    runner.until([this] { return !server->registry().tables().servers().empty(); });
}

io::Task<void> MeshFixture::run_server() {
    ended = co_await server->run();
}

void MeshFixture::stop_server() {
    operator_client_.reset();
    server->stop();
    runner.run(tasks_->join());
    CHECK(ended.has_value());
    server.reset();
}

rpc::Client& MeshFixture::operator_client() {
    if (operator_client_ && !operator_client_->broken()) return *operator_client_;
    Result<tls::CredentialsPtr> credentials = tls::make_credentials(
        {.trust_domain = config.trust_domain,
         .own = std::nullopt,
         .trust = {.roots = server->trust_domain().roots, .intermediates = {}},
         .alpn = {"h2"},
         .root_pin = std::nullopt});
    REQUIRE(credentials.has_value());
    auto client = runner.run(rpc::Client::connect_tls(server->endpoint(), *credentials));
    if (!client) FAIL(client.error().message);
    operator_client_ = std::move(*client);
    operator_client_->set_bearer(init_result.operator_token);
    return *operator_client_;
}

void MeshFixture::demote_operator(model::Role role) {
    stop_server();
    {
        Result<Storage> storage = open_storage(config.data_dir);
        REQUIRE(storage.has_value());
        Result<store::State> state = storage->state.load();
        REQUIRE(state.has_value());
        std::erase_if(state->rows, [](const model::Change& row) {
            return row.kind != model::Kind::operator_token;
        });
        for (model::Change& row : state->rows) {
            auto token = std::get<model::OperatorToken>(*row.value);
            token.role = role;
            row.value = std::make_shared<const model::Resource>(std::move(token));
        }
        REQUIRE(storage->state.write(*state).has_value());
    }
    start_server();
}

ca::JoinTokenText MeshFixture::create_token(const std::string& node,
                                            std::vector<std::string> services, Duration ttl) {
    v1::CreateTokenRequest request;
    request.set_node(node);
    for (std::string& service : services) request.add_services(std::move(service));
    request.set_ttl_ms(ttl.count());
    const auto response = call<v1::CreateTokenResponse>("CreateToken", std::move(request));
    if (!response) FAIL(response.error().message);
    Result<ca::JoinTokenText> token = ca::JoinTokenText::parse(response->token());
    REQUIRE(token.has_value());
    return std::move(*token);
}

Result<v1::ApplyResponse> MeshFixture::apply(std::vector<model::Service> services,
                                             std::vector<model::Policy> policies) {
    v1::ApplyRequest request;
    *request.mutable_resources() = model::to_proto(
        model::ApplyResources{.services = std::move(services), .policies = std::move(policies)});
    return call<v1::ApplyResponse>("Apply", std::move(request));
}

tls::CredentialsPtr MeshFixture::pinned(const std::string& pin) {
    Result<tls::CredentialsPtr> credentials =
        tls::make_credentials({.trust_domain = config.trust_domain,
                               .own = std::nullopt,
                               .trust = {},
                               .alpn = {"h2"},
                               .root_pin = pin});
    if (!credentials) FAIL(credentials.error().message);
    return *credentials;
}

Result<Host> MeshFixture::join(const ca::JoinTokenText& token, std::optional<std::string> as,
                               std::string key) {
    const std::string node = as.value_or(token.node);
    const model::Identity identity{
        .trust_domain = config.trust_domain, .kind = model::IdentityKind::node, .name = node};
    auto client = runner.run(rpc::Client::connect_tls(server->endpoint(), pinned(token.root_pin)));
    if (!client) return fail(std::move(client.error()));
    v1::JoinRequest request;
    request.set_token_id(token.id);
    request.set_token_secret(token.secret);
    request.set_node(node);
    request.set_node_csr(*tls::make_csr(key, identity));
    auto response =
        runner.run((*client)->call<v1::JoinResponse>("/hawser.v1.Mesh/Join", std::move(request)));
    if (!response) return fail(std::move(response.error()));
    return make_host(node, std::move(key), std::move(*response));
}

Result<Host> MeshFixture::make_host(const std::string& node, std::string key,
                                    v1::JoinResponse joined) {
    Result<tls::CredentialsPtr> credentials = tls::make_credentials(
        {.trust_domain = config.trust_domain,
         .own = tls::KeyPair{.chain_pem = joined.node_chain(), .key_pem = std::move(key)},
         .trust = {.roots = {joined.roots().begin(), joined.roots().end()}, .intermediates = {}},
         .alpn = {"h2"},
         .root_pin = std::nullopt});
    if (!credentials) return fail(std::move(credentials.error()));
    return Host{.node = node, .credentials = *credentials, .joined = std::move(joined)};
}

Result<Host> MeshFixture::renew(const Host& host) {
    const std::string key = *tls::generate_key_pem();
    const std::unique_ptr<rpc::Client> client = connect(host);
    v1::SignRequest request;
    request.set_csr(*tls::make_csr(key, {.trust_domain = config.trust_domain,
                                         .kind = model::IdentityKind::node,
                                         .name = host.node}));
    auto response =
        runner.run(client->call<v1::SignResponse>("/hawser.v1.Mesh/Sign", std::move(request)));
    if (!response) return fail(std::move(response.error()));
    v1::JoinResponse renewed = host.joined;
    renewed.set_node_chain(response->chain());
    return make_host(host.node, key, std::move(renewed));
}

Host MeshFixture::must_join(const std::string& node, std::vector<std::string> services) {
    Result<Host> host = join(create_token(node, std::move(services)));
    if (!host) FAIL(host.error().message);
    return std::move(*host);
}

std::unique_ptr<rpc::Client> MeshFixture::connect(const Host& host) {
    auto client = runner.run(rpc::Client::connect_tls(server->endpoint(), host.credentials));
    if (!client) FAIL(client.error().message);
    return std::move(*client);
}

Result<std::string> MeshFixture::sign(const Host& host, const std::string& service,
                                      model::Identity in_request) {
    const std::unique_ptr<rpc::Client> client = connect(host);
    v1::SignRequest request;
    request.set_service(service);
    request.set_csr(*tls::make_csr(*tls::generate_key_pem(), in_request));
    auto response =
        runner.run(client->call<v1::SignResponse>("/hawser.v1.Mesh/Sign", std::move(request)));
    if (!response) return fail(std::move(response.error()));
    return response->chain();
}

// --- agents ----------------------------------------------------------------------------------

TestAgent::TestAgent(MeshFixture& mesh, const Host& host, std::uint64_t have_index,
                     std::optional<std::uint64_t> epoch, WallTime epoch_since)
    : mesh_(mesh), node_(host.node), client_(mesh.connect(host)) {
    auto stream = mesh_.runner.run(client_->open_stream("/hawser.v1.Mesh/Session"));
    if (!stream) FAIL(stream.error().message);
    stream_ = std::move(*stream);
    v1::AgentMessage hello;
    hello.mutable_hello()->set_version("test");
    hello.mutable_hello()->set_have_index(have_index);
    hello.mutable_hello()->set_epoch(epoch.value_or(mesh.server->trust_domain().epoch));
    hello.mutable_hello()->set_epoch_since_ms(epoch_since);
    say(std::move(hello));
}

TestAgent::~TestAgent() {
    vanish();
}

void TestAgent::leave() {
    v1::AgentMessage message;
    message.mutable_leaving();
    say(std::move(message));
    stream_->finish();
}

void TestAgent::vanish() {
    stream_.reset();
    client_.reset();
}

void TestAgent::say(v1::AgentMessage message) {
    const Result<void> written =
        mesh_.runner.run(stream_->write(message.SerializeAsString(), step_timeout));
    if (!written) broken = written.error();
}

void TestAgent::register_instances(const std::vector<model::Instance>& instances) {
    v1::AgentMessage message;
    *message.mutable_registration() =
        model::to_proto(model::SyncNode{.node = node_,
                                        .zone = "eu/a",
                                        .tunnel = *Endpoint::parse("127.0.0.1:15008"),
                                        .version = "test",
                                        .instances = instances});
    registered.reset();
    refused.reset();
    say(std::move(message));
}

void TestAgent::enforce(std::uint64_t index) {
    v1::AgentMessage message;
    message.mutable_enforced()->set_index(index);
    say(std::move(message));
}

bool TestAgent::read_until(const std::function<bool()>& done) {
    while (!done()) {
        auto bytes = mesh_.runner.run(stream_->read(step_timeout));
        if (!bytes || !*bytes) {
            broken =
                bytes ? Error{.code = ErrorCode::unavailable, .message = "ended"} : bytes.error();
            return false;
        }
        v1::ServerMessage message;
        REQUIRE(message.ParseFromString(**bytes));
        take(message);
    }
    return true;
}

bool TestAgent::follow_to(std::uint64_t index) {
    return read_until([&] { return complete_index >= index; });
}

void TestAgent::take(const v1::ServerMessage& message) {
    if (message.has_heartbeat()) ++heartbeats;
    if (message.has_registered()) registered = message.registered().index();
    if (message.has_refused()) refused = message.refused().reason();
    if (!message.has_changes()) return;
    ++batches;
    if (message.changes().reset()) {
        ++resets;
        mesh_state.reset();
    }
    for (const v1::Change& change : message.changes().changes()) {
        Result<model::Change> decoded = model::from_proto(change);
        REQUIRE(decoded.has_value());
        CHECK(model::visible_to_agents(decoded->kind));
        mesh_state.apply(*decoded);
    }
    mesh_state.set_index(message.changes().index());
    if (message.changes().complete()) complete_index = message.changes().index();
}

// --- resources -------------------------------------------------------------------------------

model::Instance make_instance(const std::string& node, const std::string& service,
                              std::uint16_t port) {
    model::Instance instance;
    instance.node = node;
    instance.service = service;
    instance.port = port;
    instance.health = model::Health::passing;
    return instance;
}

model::Service make_service(const std::string& name) {
    model::Service service;
    service.name = name;
    return service;
}

model::Policy make_policy(const std::string& name, const std::string& service) {
    model::Policy policy;
    policy.name = name;
    policy.service = service;
    policy.from = {"web"};
    return policy;
}

} // namespace hawser::server::test
