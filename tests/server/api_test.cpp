// What operators do, and what they may not.
#include <google/protobuf/message_lite.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

v1::GetRequest get(const std::string& kind, const std::string& name = "") {
    v1::GetRequest request;
    request.set_kind(kind);
    request.set_name(name);
    return request;
}

// To 127.0.0.1, and hangs up.
void say_in_plaintext(std::uint16_t port, std::string_view text) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    REQUIRE(::send(socket, text.data(), text.size(), MSG_NOSIGNAL) > 0);
    ::close(socket);
}

} // namespace

TEST_CASE("apply, get, delete") {
    MeshFixture mesh;
    const auto applied = mesh.apply({make_service("api")}, {make_policy("p", "api")});
    if (!applied) FAIL(applied.error().message);
    CHECK(std::vector<std::string>(applied->changed().begin(), applied->changed().end()) ==
          std::vector<std::string>{"service/api created", "policy/p created"});
    CHECK(applied->index() == mesh.server->registry().index());

    const auto all = mesh.call<v1::GetResponse>("Get", get("services"));
    REQUIRE(all.has_value());
    REQUIRE(all->rows().size() == 1);
    CHECK(all->index() == applied->index());
    const Result<model::Change> row = model::from_proto(all->rows(0));
    REQUIRE(row.has_value());
    CHECK(std::get<model::Service>(*row->value).vip4.to_string() == "240.0.0.1");
    CHECK(row->index == applied->index());
    CHECK_FALSE(all->has_stale_ms());
    v1::GetRequest stale = get("services");
    stale.set_stale(true);
    const auto at_once = mesh.call<v1::GetResponse>("Get", stale);
    REQUIRE(at_once.has_value());
    CHECK(at_once->rows().size() == 1);
    CHECK(at_once->has_stale_ms());
    CHECK(at_once->stale_ms() == 0); // it is the only one
    CHECK(mesh.call<v1::GetResponse>("Get", get("policy", "p"))->rows().size() == 1);
    CHECK(mesh.call<v1::GetResponse>("Get", get("policy", "q")).error().message ==
          "there is no policy 'q'");
    CHECK(mesh.call<v1::GetResponse>("Get", get("trust_domain"))->rows().size() == 1);

    v1::DeleteRequest request;
    request.set_kind("policy");
    request.set_name("p");
    REQUIRE(mesh.call<v1::DeleteResponse>("Delete", request).has_value());
    CHECK(mesh.call<v1::DeleteResponse>("Delete", request).error().code == ErrorCode::not_found);
}

TEST_CASE("a dry run says what it would do and does not") {
    MeshFixture mesh;
    v1::ApplyRequest request;
    request.set_dry_run(true);
    *request.mutable_resources() =
        model::to_proto(model::ApplyResources{.services = {make_service("api")}, .policies = {}});
    const std::uint64_t before = mesh.server->registry().index();
    const auto dry = mesh.call<v1::ApplyResponse>("Apply", request);
    REQUIRE(dry.has_value());
    CHECK(dry->changed(0) == "service/api created");
    CHECK(dry->index() == before);
    CHECK(mesh.call<v1::GetResponse>("Get", get("service"))->rows().empty());
}

TEST_CASE("what is wrong with a request is said") {
    MeshFixture mesh;
    CHECK(mesh.apply({make_service("Api")}).error().code == ErrorCode::invalid);
    CHECK(mesh.call<v1::GetResponse>("Get", get("servicse")).error().message.find("service") !=
          std::string::npos);
    CHECK(mesh.call<v1::GetResponse>("Get", get("join_token")).error().code ==
          ErrorCode::permission_denied);
    CHECK(mesh.call<v1::GetResponse>("Get", get("operator_tokens")).error().code ==
          ErrorCode::permission_denied);
    v1::CreateTokenRequest token;
    token.set_node("Not A Name");
    CHECK(mesh.call<v1::CreateTokenResponse>("CreateToken", token).error().code ==
          ErrorCode::invalid);
    token.set_node("web-1");
    token.set_ttl_ms(1);
    CHECK(mesh.call<v1::CreateTokenResponse>("CreateToken", token).error().code ==
          ErrorCode::invalid);
    token.set_ttl_ms(-5);
    CHECK(mesh.call<v1::CreateTokenResponse>("CreateToken", token).error().code ==
          ErrorCode::invalid);
    v1::WaitEnforcedRequest wait;
    wait.set_index(1'000'000);
    CHECK(mesh.call<v1::WaitEnforcedResponse>("WaitEnforced", wait).error().code ==
          ErrorCode::out_of_range);
    const auto unknown = mesh.runner.run(mesh.operator_client().call("/hawser.v1.Api/None", ""));
    CHECK(unknown.error().code == ErrorCode::unimplemented);
    const auto junk =
        mesh.runner.run(mesh.operator_client().call("/hawser.v1.Api/Apply", "\xff\xff\xff"));
    CHECK(junk.error().code == ErrorCode::invalid);
}

TEST_CASE("tokens are listed without their hashes") {
    MeshFixture mesh;
    const ca::JoinTokenText token = mesh.create_token("web-1", {"web"});
    const auto list = mesh.call<v1::ListTokensResponse>("ListTokens", v1::ListTokensRequest());
    REQUIRE(list.has_value());
    REQUIRE(list->tokens().size() == 1);
    CHECK(list->tokens(0).id() == token.id);
    CHECK(list->tokens(0).node() == "web-1");
    CHECK(list->tokens(0).secret_hash().empty());
}

TEST_CASE("a token may be for a server of the cluster, and then only for that") {
    MeshFixture mesh;
    v1::CreateTokenRequest request;
    request.set_server("s2");
    const auto created = mesh.call<v1::CreateTokenResponse>("CreateToken", request);
    if (!created) FAIL(created.error().message);
    const ca::JoinTokenText text = ca::JoinTokenText::parse(created->token()).value();
    CHECK(text.server == "s2");
    CHECK(text.node.empty());
    CHECK(created->info().server() == "s2");
    CHECK(created->info().node().empty());
    const auto joined = mesh.join(text, "s2");
    REQUIRE_FALSE(joined.has_value());
    CHECK(joined.error().message ==
          "join token '" + text.id + "' is for server 's2', not for node 's2'");
    request.set_node("web-1");
    CHECK(mesh.call<v1::CreateTokenResponse>("CreateToken", request).error().code ==
          ErrorCode::invalid);
}

TEST_CASE("only an admin may let a server in, which gets the authority's keys") {
    MeshFixture mesh;
    mesh.demote_operator(model::Role::operator_);
    v1::CreateTokenRequest request;
    request.set_node("web-1");
    CHECK(mesh.call<v1::CreateTokenResponse>("CreateToken", request).has_value());
    request.clear_node();
    request.set_server("s2");
    const auto refused = mesh.call<v1::CreateTokenResponse>("CreateToken", request);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::permission_denied);
    CHECK(refused.error().message.find("has the role operator; this needs admin") !=
          std::string::npos);
    const auto status =
        mesh.call<v1::ServerStatusResponse>("ServerStatus", v1::ServerStatusRequest());
    REQUIRE(status->refusals_size() == 1);
    CHECK(status->refusals(0).what() == "calls");
}

TEST_CASE("without a good operator token the network API answers nothing") {
    MeshFixture mesh;
    rpc::Client& client = mesh.operator_client();
    ca::OperatorTokenText wrong = *ca::OperatorTokenText::parse(mesh.init_result.operator_token);
    wrong.secret = ca::new_token_secret();
    for (const std::string& bearer : {std::string(), std::string("x"), wrong.to_text()}) {
        client.set_bearer(bearer);
        for (const std::string method :
             {"Apply", "Delete", "Get", "WaitEnforced", "CreateToken", "ListTokens", "RevokeToken",
              "ServerStatus", "Plan", "History", "Rollback"}) {
            CAPTURE(method);
            const auto answer = mesh.runner.run(client.call("/hawser.v1.Api/" + method, ""));
            REQUIRE_FALSE(answer.has_value());
            CHECK(answer.error().code == ErrorCode::unauthenticated);
        }
    }
}

TEST_CASE("a node's certificate is no operator's token") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    const auto client = mesh.connect(host);
    CHECK(mesh.runner.run(client->call("/hawser.v1.Api/Get", "")).error().code ==
          ErrorCode::unauthenticated);
}

TEST_CASE("the admin socket serves its own user without a token, and no agents") {
    MeshFixture mesh;
    auto client = mesh.runner.run(rpc::Client::connect_unix(mesh.server->socket()));
    if (!client) FAIL(client.error().message);
    const auto status = mesh.runner.run((*client)->call<v1::ServerStatusResponse>(
        "/hawser.v1.Api/ServerStatus", v1::ServerStatusRequest()));
    CHECK(status.has_value());
    CHECK(mesh.runner.run((*client)->call("/hawser.v1.Mesh/Join", "")).error().code ==
          ErrorCode::unimplemented);
    CHECK((store::test::mode_of(mesh.server->socket()) & 0007) == 0);
}

TEST_CASE("status tells the server at a glance") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("api")}, {make_policy("p", "api")}).has_value());
    const auto status =
        mesh.call<v1::ServerStatusResponse>("ServerStatus", v1::ServerStatusRequest());
    REQUIRE(status.has_value());
    CHECK(status->node() == "s1");
    CHECK(status->version() == "test");
    CHECK(status->trust_domain() == "hawser.local");
    CHECK(status->role() == "leader");
    CHECK(status->services() == 1);
    CHECK(status->policies() == 1);
    CHECK(status->applied_index() == status->last_index());
    CHECK(status->listen() == mesh.server->endpoint().to_string());
    CHECK(status->warnings().empty());
    CHECK(status->certificate_expires_at_ms() < status->intermediate_expires_at_ms());
    CHECK(status->intermediate_expires_at_ms() < status->root_expires_at_ms());
    REQUIRE(status->members_size() == 1);
    CHECK(status->members(0).name() == "s1");
    CHECK(status->members(0).role() == "leader");
    CHECK(status->members(0).match_index() == status->last_index());
}

TEST_CASE("a caller without a token is refused before its request is read") {
    MeshFixture mesh;
    rpc::Client& client = mesh.operator_client();
    client.set_bearer("");
    for (const std::string path : {"Api/Apply", "Mesh/Sign", "Mesh/Session"}) {
        auto stream = mesh.runner.run(client.open_stream("/hawser.v1." + path));
        REQUIRE(stream.has_value());
        const auto answer = mesh.runner.run((*stream)->read(std::chrono::seconds(4)));
        REQUIRE_FALSE(answer.has_value());
        CHECK(answer.error().code == ErrorCode::unauthenticated);
    }
}

TEST_CASE("refusals are counted, by what was asked and why") {
    MeshFixture mesh;
    const auto counts = [&] {
        std::map<std::string, std::uint64_t> found;
        const auto status =
            mesh.call<v1::ServerStatusResponse>("ServerStatus", v1::ServerStatusRequest());
        for (const v1::RefusalCount& each : status.value().refusals())
            found[each.what() + ": " + each.reason()] = each.count();
        return found;
    };
    CHECK(counts().empty());
    ca::JoinTokenText forged = mesh.create_token("web-1", {"web"});
    forged.secret = ca::new_token_secret();
    for (int i = 0; i < 3; ++i) CHECK_FALSE(mesh.join(forged).has_value());
    const Host host = mesh.must_join("web-2", {"web"});
    CHECK_FALSE(mesh.sign(host, "db",
                          {.trust_domain = "hawser.local",
                           .kind = model::IdentityKind::service,
                           .name = "db"})
                    .has_value());
    CHECK_FALSE(mesh.runner.run(mesh.connect(host)->call("/hawser.v1.Api/Get", "")).has_value());
    {
        TestAgent agent(mesh, host);
        agent.register_instances({make_instance("web-2", "db")});
        REQUIRE(agent.read_until([&] { return agent.refused.has_value(); }));
    }
    say_in_plaintext(mesh.server->endpoint().port, "GET / HTTP/1.1\r\n\r\n");
    const std::map<std::string, std::uint64_t> expected{{"connections: not authenticated", 1},
                                                        {"joins: not authenticated", 3},
                                                        {"certificates: permission denied", 1},
                                                        {"registrations: permission denied", 1},
                                                        {"calls: not authenticated", 1}};
    mesh.runner.until([&] { return counts().size() == expected.size(); });
    CHECK(counts() == expected);
}

TEST_CASE("a restart keeps everything") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("api")}, {make_policy("p", "api")}).has_value());
    const Host host = mesh.must_join("web-1", {"web"});
    const std::uint64_t index = mesh.server->registry().index();
    const std::string root = mesh.server->trust_domain().roots.at(0);
    mesh.restart_server();
    CHECK(mesh.ended == std::nullopt);
    // It said how far its audit log had come when it stopped.
    CHECK(mesh.server->registry().index() == index + 1);
    CHECK(mesh.server->trust_domain().roots.at(0) == root);
    CHECK(mesh.call<v1::GetResponse>("Get", get("service", "api"))->rows().size() == 1);
    CHECK(mesh.call<v1::GetResponse>("Get", get("node", "web-1"))->rows().size() == 1);
    // Credentials from before are good, and addresses go on where they were.
    CHECK(mesh.sign(host, "",
                    {.trust_domain = "hawser.local",
                     .kind = model::IdentityKind::node,
                     .name = "web-1"})
              .has_value());
    REQUIRE(mesh.apply({make_service("db")}).has_value());
    CHECK(mesh.server->registry().tables().get<model::Service>("db")->vip4.to_string() ==
          "240.0.0.2");
}

} // namespace hawser::server::test
