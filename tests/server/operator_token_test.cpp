// Which role may call which method, and operator tokens from their making to their end.
#include <map>

#include "model/proto/access.pb.h"
#include "server/api_methods.h"
#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

using model::Role;

// As product decisions, written a second time: whoever changes one changes both.
const std::map<std::string, Role> least_roles{
    {"Api/Get", Role::reader},
    {"Api/Watch", Role::reader},
    {"Api/Plan", Role::reader},
    {"Api/History", Role::reader},
    {"Api/WaitEnforced", Role::reader},
    {"Api/Members", Role::reader},
    {"Api/ServerStatus", Role::reader},
    {"Api/AuthorityStatus", Role::reader},
    {"Trust/Certificates", Role::reader},
    {"Api/Apply", Role::registrar},
    {"Api/Delete", Role::registrar},
    {"Api/Rollback", Role::operator_},
    {"Api/Quarantine", Role::operator_},
    {"Api/CreateToken", Role::operator_},
    {"Api/ListTokens", Role::operator_},
    {"Api/RevokeToken", Role::operator_},
    {"Api/CreateOperatorToken", Role::admin},
    {"Api/ListOperatorTokens", Role::admin},
    {"Api/RotateOperatorToken", Role::admin},
    {"Api/RevokeOperatorToken", Role::admin},
    {"Audit/List", Role::admin},
    {"Audit/Verify", Role::admin},
    {"Audit/Heads", Role::admin},
    {"Api/TransferLeadership", Role::admin},
    {"Api/RemoveServer", Role::admin},
    {"Api/RotateAuthority", Role::admin},
    {"Api/SaveSnapshot", Role::admin},
    {"Trust/RenewCertificates", Role::admin},
};

v1::CreateOperatorTokenRequest wanting(v1::Role role, const std::string& prefix = "") {
    v1::CreateOperatorTokenRequest request;
    request.set_role(role);
    request.set_service_prefix(prefix);
    return request;
}

v1::CreateOperatorTokenResponse create(MeshFixture& mesh, v1::Role role,
                                       const std::string& prefix = "") {
    const auto created =
        mesh.call<v1::CreateOperatorTokenResponse>("CreateOperatorToken", wanting(role, prefix));
    if (!created) FAIL(created.error().message);
    return *created;
}

// What the call that reads all services is answered to this bearer.
std::optional<Error> refusal(MeshFixture& mesh, const std::string& bearer) {
    rpc::Client& client = mesh.operator_client();
    client.set_bearer(bearer);
    v1::GetRequest request;
    request.set_kind("service");
    const auto got = mesh.runner.run(client.call<v1::GetResponse>("/hawser.v1.Api/Get", request));
    client.set_bearer(mesh.init_result.operator_token);
    if (got) return {};
    return got.error();
}

} // namespace

// A message that is none: whoever is admitted hears that, and nothing happens.
TEST_CASE("every method is open to the roles that may call it, and to no others") {
    MeshFixture mesh;
    CHECK(api_methods.size() == least_roles.size());
    const std::map<Role, std::string> tokens{
        {Role::reader, create(mesh, v1::ROLE_READER).token()},
        {Role::registrar, create(mesh, v1::ROLE_REGISTRAR, "web").token()},
        {Role::operator_, create(mesh, v1::ROLE_OPERATOR).token()},
        {Role::admin, create(mesh, v1::ROLE_ADMIN).token()}};
    rpc::Client& client = mesh.operator_client();
    for (const auto& [name, least] : least_roles) {
        for (const auto& [role, token] : tokens) {
            CAPTURE(name);
            CAPTURE(model::to_string(role));
            client.set_bearer(token);
            const auto answer = mesh.runner.run(client.call("/hawser.v1." + name, "\xff"));
            REQUIRE_FALSE(answer.has_value());
            CHECK(answer.error().code ==
                  (role >= least ? ErrorCode::invalid : ErrorCode::permission_denied));
        }
    }
}

TEST_CASE("a registrar writes through the API what is its own") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("api")}).has_value());
    mesh.operator_client().set_bearer(create(mesh, v1::ROLE_REGISTRAR, "web-").token());
    CHECK(mesh.apply({make_service("web-a")}).has_value());
    CHECK(mesh.apply({make_service("web-a"), make_service("api")}).error().code ==
          ErrorCode::permission_denied);
    CHECK(mesh.apply({}, {make_policy("p", "web-a")}).error().code == ErrorCode::permission_denied);
    v1::DeleteRequest request;
    request.set_kind("service");
    request.set_name("api");
    CHECK(mesh.call<v1::DeleteResponse>("Delete", request).error().code ==
          ErrorCode::permission_denied);
    request.set_name("web-a");
    CHECK(mesh.call<v1::DeleteResponse>("Delete", request).has_value());
    const auto status =
        mesh.call<v1::ServerStatusResponse>("ServerStatus", v1::ServerStatusRequest());
    REQUIRE(status.has_value());
    REQUIRE(status->refusals_size() == 1);
    CHECK(status->refusals(0).count() == 3);
}

TEST_CASE("an operator token that was revoked is good for nothing") {
    MeshFixture mesh;
    const v1::CreateOperatorTokenResponse token = create(mesh, v1::ROLE_READER);
    CHECK_FALSE(refusal(mesh, token.token()).has_value());
    v1::RevokeOperatorTokenRequest request;
    request.set_id(token.info().id());
    REQUIRE(mesh.call<v1::RevokeOperatorTokenResponse>("RevokeOperatorToken", request).has_value());
    REQUIRE(refusal(mesh, token.token()).has_value());
    CHECK(refusal(mesh, token.token())->code == ErrorCode::unauthenticated);
    CHECK(mesh.call<v1::RevokeOperatorTokenResponse>("RevokeOperatorToken", request).error().code ==
          ErrorCode::not_found);
}

TEST_CASE("a rotated operator token has another secret, and the one before as long as was said") {
    MeshFixture mesh;
    const v1::CreateOperatorTokenResponse first = create(mesh, v1::ROLE_READER);
    v1::RotateOperatorTokenRequest request;
    request.set_id(first.info().id());
    request.set_grace_ms(3'600'000);
    const auto second = mesh.call<v1::RotateOperatorTokenResponse>("RotateOperatorToken", request);
    REQUIRE(second.has_value());
    CHECK(second->info().id() == first.info().id());
    CHECK(second->info().previous_until_ms() > 0);
    CHECK_FALSE(refusal(mesh, first.token()).has_value());
    CHECK_FALSE(refusal(mesh, second->token()).has_value());
    request.set_grace_ms(0);
    const auto third = mesh.call<v1::RotateOperatorTokenResponse>("RotateOperatorToken", request);
    REQUIRE(third.has_value());
    CHECK(refusal(mesh, first.token()).has_value());
    CHECK(refusal(mesh, second->token()).has_value());
    CHECK_FALSE(refusal(mesh, third->token()).has_value());
    request.set_grace_ms(-1);
    CHECK(mesh.call<v1::RotateOperatorTokenResponse>("RotateOperatorToken", request).error().code ==
          ErrorCode::invalid);
    request.set_grace_ms(0);
    request.set_id("0011223344556677");
    CHECK(mesh.call<v1::RotateOperatorTokenResponse>("RotateOperatorToken", request).error().code ==
          ErrorCode::not_found);
}

TEST_CASE("operator tokens are listed without anything that opens a door") {
    MeshFixture mesh;
    const v1::CreateOperatorTokenResponse made = create(mesh, v1::ROLE_REGISTRAR, "web");
    const auto listed = mesh.call<v1::ListOperatorTokensResponse>("ListOperatorTokens",
                                                                  v1::ListOperatorTokensRequest());
    REQUIRE(listed.has_value());
    REQUIRE(listed->tokens_size() == 2); // and the first
    for (const v1::OperatorToken& token : listed->tokens()) {
        CHECK(token.secret_hash().empty());
        CHECK(token.previous_hash().empty());
    }
    CHECK(made.info().secret_hash().empty());
    CHECK(made.info().service_prefix() == "web");
}

TEST_CASE("what is wrong with a wanted operator token is said") {
    MeshFixture mesh;
    const auto code = [&](const v1::CreateOperatorTokenRequest& request) {
        return mesh.call<v1::CreateOperatorTokenResponse>("CreateOperatorToken", request)
            .error()
            .code;
    };
    CHECK(code(wanting(v1::ROLE_REGISTRAR)) == ErrorCode::invalid);
    CHECK(code(wanting(v1::ROLE_ADMIN, "web")) == ErrorCode::invalid);
    CHECK(code(wanting(v1::ROLE_REGISTRAR, "Not a name")) == ErrorCode::invalid);
    for (const std::int64_t ttl : {std::int64_t{-1}, std::int64_t{999}, INT64_MAX}) {
        v1::CreateOperatorTokenRequest request = wanting(v1::ROLE_READER);
        request.set_ttl_ms(ttl);
        CHECK(code(request) == ErrorCode::invalid);
    }
}

TEST_CASE("who shows wrong tokens again and again is told to wait, even with a good one") {
    MeshFixture mesh;
    ca::OperatorTokenText wrong = *ca::OperatorTokenText::parse(mesh.init_result.operator_token);
    wrong.secret = ca::new_token_secret();
    std::optional<Error> last;
    for (int i = 0; i < 200 && (!last || last->code == ErrorCode::unauthenticated); ++i)
        last = refusal(mesh, wrong.to_text());
    REQUIRE(last.has_value());
    CHECK(last->code == ErrorCode::resource_exhausted);
    CHECK(last->message.contains("try again in "));
    // The admin socket is another door.
    auto local = mesh.runner.run(rpc::Client::connect_unix(mesh.server->socket()));
    REQUIRE(local.has_value());
    v1::GetRequest request;
    request.set_kind("service");
    CHECK(mesh.runner.run((*local)->call<v1::GetResponse>("/hawser.v1.Api/Get", request))
              .has_value());
}

} // namespace hawser::server::test
