// Tokens, joining, and certificates, over TLS.
#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

model::Identity identity(model::IdentityKind kind, const std::string& name) {
    return {.trust_domain = "hawser.local", .kind = kind, .name = name};
}

std::optional<model::Identity> leaf_of(const std::string& chain) {
    const auto ders = tls::chain_from_pem(chain);
    REQUIRE(ders.has_value());
    CHECK(ders->size() == 2); // leaf and intermediate, without the root
    return tls::describe_certificate(as_bytes(ders->front()))->identity;
}

void delete_node(MeshFixture& mesh, const std::string& name) {
    v1::DeleteRequest request;
    request.set_kind("node");
    request.set_name(name);
    REQUIRE(mesh.call<v1::DeleteResponse>("Delete", request).has_value());
}

} // namespace

TEST_CASE("a host joins with its token and the pin in it") {
    MeshFixture mesh;
    const ca::JoinTokenText token = mesh.create_token("web-1", {"api", "web"});
    CHECK(token.servers == std::vector<Endpoint>{mesh.server->endpoint()});
    const Result<Host> host = mesh.join(token);
    if (!host) FAIL(host.error().message);
    CHECK(host->joined.trust_domain() == "hawser.local");
    CHECK(host->joined.services().size() == 2);
    CHECK(leaf_of(host->joined.node_chain()) == identity(model::IdentityKind::node, "web-1"));
    CHECK(tls::own_identity(*host->credentials) == identity(model::IdentityKind::node, "web-1"));
    const auto* node = mesh.server->registry().tables().get<model::Node>("web-1");
    REQUIRE(node != nullptr);
    CHECK(node->allowed_services == std::vector<std::string>{"api", "web"});
    CHECK_FALSE(node->alive);
}

TEST_CASE("a token is good once, for its node, in its time, with its secret") {
    MeshFixture mesh;
    const ca::JoinTokenText used = mesh.create_token("web-1", {"web"});
    REQUIRE(mesh.join(used).has_value());
    CHECK(mesh.join(used).error().code == ErrorCode::already_exists);

    const ca::JoinTokenText other = mesh.create_token("web-2", {"web"});
    const Result<Host> wrong_node = mesh.join(other, "web-3");
    CHECK(wrong_node.error().code == ErrorCode::permission_denied);

    ca::JoinTokenText forged = other;
    forged.secret = ca::new_token_secret();
    CHECK(mesh.join(forged).error().code == ErrorCode::unauthenticated);
    forged = other;
    forged.id = ca::new_token_id();
    CHECK(mesh.join(forged).error().code == ErrorCode::unauthenticated);

    v1::RevokeTokenRequest revoke;
    revoke.set_id(other.id);
    REQUIRE(mesh.call<v1::RevokeTokenResponse>("RevokeToken", revoke).has_value());
    CHECK(mesh.join(other).error().code == ErrorCode::unauthenticated);
    CHECK(mesh.server->registry().tables().rows(model::Kind::node).size() == 1);
}

TEST_CASE("an expired token is refused as expired") {
    MeshFixture mesh;
    const ca::JoinTokenText token = mesh.create_token("web-1", {"web"}, Duration(1000));
    mesh.runner.run(io::sleep(std::chrono::milliseconds(1100)));
    const Result<Host> late = mesh.join(token);
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().message.find("expired at") != std::string::npos);
}

TEST_CASE("a server with another root than the pinned one gets no secret") {
    MeshFixture mesh;
    ca::JoinTokenText token = mesh.create_token("web-1", {"web"});
    token.root_pin[0] = static_cast<char>(token.root_pin[0] ^ 1);
    CHECK_FALSE(mesh.join(token).has_value());
    token.root_pin[0] = static_cast<char>(token.root_pin[0] ^ 1);
    CHECK(mesh.join(token).has_value());
}

TEST_CASE("a request that cannot be signed does not use the token up") {
    MeshFixture mesh;
    const ca::JoinTokenText token = mesh.create_token("web-1", {"web"});
    auto client = mesh.runner.run(
        rpc::Client::connect_tls(mesh.server->endpoint(), mesh.pinned(token.root_pin)));
    REQUIRE(client.has_value());
    v1::JoinRequest request;
    request.set_token_id(token.id);
    request.set_token_secret(token.secret);
    request.set_node("web-1");
    const auto join_with = [&](const std::string& csr) {
        request.set_node_csr(csr);
        return mesh.runner.run((*client)->call<v1::JoinResponse>("/hawser.v1.Mesh/Join", request));
    };
    CHECK_FALSE(join_with("").has_value());
    CHECK_FALSE(join_with("junk").has_value());
    CHECK_FALSE(join_with(*tls::make_csr(*tls::generate_key_pem(),
                                         identity(model::IdentityKind::server, "s1")))
                    .has_value());
    CHECK(mesh.join(token).has_value());
}

TEST_CASE("attempts to guess are limited, honest joins are not") {
    MeshFixture mesh;
    for (int i = 0; i < 25; ++i) {
        REQUIRE(mesh.join(mesh.create_token("n" + std::to_string(i), {})).has_value());
    }
    ca::JoinTokenText forged = mesh.create_token("web-1", {});
    const ca::JoinTokenText honest = forged;
    forged.secret = ca::new_token_secret();
    ErrorCode last = ErrorCode::unknown;
    for (int i = 0; i < 60 && last != ErrorCode::resource_exhausted; ++i) {
        last = mesh.join(forged).error().code;
    }
    CHECK(last == ErrorCode::resource_exhausted);
    CHECK(mesh.join(honest).error().code == ErrorCode::resource_exhausted);
}

TEST_CASE("a node gets certificates for itself and its services, and no others") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    using model::IdentityKind;
    const auto node = mesh.sign(host, "", identity(IdentityKind::node, "web-1"));
    if (!node) FAIL(node.error().message);
    CHECK(leaf_of(*node) == identity(IdentityKind::node, "web-1"));
    const auto service = mesh.sign(host, "web", identity(IdentityKind::service, "web"));
    REQUIRE(service.has_value());
    CHECK(leaf_of(*service) == identity(IdentityKind::service, "web"));

    const auto foreign = mesh.sign(host, "db", identity(IdentityKind::service, "db"));
    CHECK(foreign.error().code == ErrorCode::permission_denied);
    CHECK(foreign.error().message.find("may not speak for service 'db'") != std::string::npos);
    // The request must not name another than what was asked for.
    CHECK_FALSE(mesh.sign(host, "web", identity(IdentityKind::service, "db")).has_value());
    CHECK_FALSE(mesh.sign(host, "", identity(IdentityKind::server, "s1")).has_value());
}

TEST_CASE("without a node's certificate there is nothing to sign and no session") {
    MeshFixture mesh;
    rpc::Client& client = mesh.operator_client();
    v1::SignRequest request;
    request.set_csr(
        *tls::make_csr(*tls::generate_key_pem(), identity(model::IdentityKind::node, "web-1")));
    const auto sign =
        mesh.runner.run(client.call<v1::SignResponse>("/hawser.v1.Mesh/Sign", request));
    CHECK(sign.error().code == ErrorCode::unauthenticated);
    auto stream = mesh.runner.run(client.open_stream("/hawser.v1.Mesh/Session"));
    REQUIRE(stream.has_value());
    CHECK(mesh.runner.run((*stream)->read(patience)).error().code == ErrorCode::unauthenticated);
}

TEST_CASE("a deleted node is out, until it joins again") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    delete_node(mesh, "web-1");
    const auto node_identity = identity(model::IdentityKind::node, "web-1");
    CHECK(mesh.sign(host, "", node_identity).error().code == ErrorCode::permission_denied);
    const Host again = mesh.must_join("web-1", {"web"});
    CHECK(mesh.sign(again, "", node_identity).has_value());
}

TEST_CASE("a deleted node's certificates are out for good, also when a node of that name is back") {
    MeshFixture mesh;
    const Host old = mesh.must_join("web-1", {"web"});
    const Host renewed = *mesh.renew(old);
    delete_node(mesh, "web-1");
    const Host fresh = mesh.must_join("web-1", {"web"});
    for (const Host* earlier : {&old, &renewed}) {
        CHECK(mesh.renew(*earlier).error().code == ErrorCode::permission_denied);
        TestAgent agent(mesh, *earlier);
        CHECK_FALSE(agent.read_until([] { return false; }));
        CHECK(agent.broken->code == ErrorCode::permission_denied);
    }
    // What the new node has is good at once, renewed or not.
    const Result<Host> fresh_renewed = mesh.renew(fresh);
    REQUIRE(fresh_renewed.has_value());
    for (const Host* now : {&fresh, &*fresh_renewed}) {
        REQUIRE(mesh.renew(*now).has_value());
        TestAgent agent(mesh, *now);
        agent.register_instances({make_instance("web-1", "web")});
        CHECK(agent.read_until([&] { return agent.registered.has_value(); }));
    }
}

TEST_CASE("a deleted node's session ends, however soon a node of that name is back") {
    MeshFixture mesh;
    const Host old = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, old);
    REQUIRE(agent.follow_to(mesh.server->registry().index()));
    const ca::JoinTokenText token = mesh.create_token("web-1", {"web"});
    delete_node(mesh, "web-1");
    REQUIRE(mesh.join(token).has_value());
    CHECK_FALSE(agent.read_until([] { return false; }));
}

TEST_CASE("a node that joins again with a new token gets its services, and keeps its place") {
    MeshFixture mesh;
    const Host first = mesh.must_join("web-1", {"web"});
    {
        TestAgent agent(mesh, first);
        agent.register_instances({make_instance("web-1", "web")});
        REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));
    }
    const Host again = mesh.must_join("web-1", {"web", "api"});
    CHECK(again.joined.services().size() == 2);
    CHECK(mesh.server->registry().tables().get<model::Instance>("web-1/web/8080") != nullptr);
    CHECK(mesh.sign(again, "api", identity(model::IdentityKind::service, "api")).has_value());
    // Its agent may still run with the certificate it had.
    CHECK(mesh.sign(first, "api", identity(model::IdentityKind::service, "api")).has_value());
}

TEST_CASE("a host whose answer was lost asks again with its key and gets in; another does not") {
    MeshFixture mesh;
    const ca::JoinTokenText token = mesh.create_token("web-1", {"web"});
    const std::string key = *tls::generate_key_pem();
    REQUIRE(mesh.join(token, {}, key).has_value()); // and imagine it never heard
    const Result<Host> again = mesh.join(token, {}, key);
    if (!again) FAIL(again.error().message);
    CHECK(again->joined.services().size() == 1);
    CHECK(mesh.sign(*again, "", identity(model::IdentityKind::node, "web-1")).has_value());
    CHECK(mesh.join(token).error().code == ErrorCode::already_exists);
    mesh.restart_server();
    CHECK(mesh.join(token, {}, key).has_value());
    delete_node(mesh, "web-1");
    CHECK(mesh.join(token, {}, key).error().code == ErrorCode::failed_precondition);
}

} // namespace hawser::server::test
