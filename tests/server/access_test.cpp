// Who may do what.
#include "server/access.h"

#include <doctest/doctest.h>

#include "ca/tokens.h"

namespace hawser::server::test {

namespace {

constexpr std::string_view group_file =
    "root:x:0:\nhawserx:x:40:eve\nhawser:x:41:ann,bob\nother:x:42:eve\n";
constexpr std::string_view passwd_file =
    "root:x:0:0::/root:/bin/sh\nann:x:1001:100::/:\nbob:x:1002:100::/:\neve:x:1003:100::/:\n"
    "broken\nnobody:x:not-a-number:1::/:\n";

constexpr WallTime now = 1'000'000;

template <typename T>
void put(registry::Tables& tables, T resource) {
    model::Resource value(std::move(resource));
    tables.carry_out({.kind = model::kind_of(value),
                      .key = model::key_of(value),
                      .index = 1,
                      .value = std::make_shared<const model::Resource>(value)});
}

rpc::Caller local(uid_t uid, gid_t gid) {
    rpc::Caller caller;
    caller.local = io::PeerCredentials{.pid = 1, .uid = uid, .gid = gid};
    return caller;
}

rpc::Caller with_certificate(const std::string& uri) {
    rpc::Caller caller;
    caller.identity = *model::Identity::parse(uri);
    return caller;
}

} // namespace

TEST_CASE("the group's members are found in the files") {
    const LocalAdmins admins = parse_local_admins(group_file, passwd_file, 7);
    CHECK(admins.own_uid == 7);
    CHECK(admins.group_known);
    CHECK(admins.group == 41);
    CHECK(admins.members == std::set<uid_t>{1001, 1002});
}

TEST_CASE("files without the group, or with nonsense, admit nobody") {
    for (const std::string_view text :
         {std::string_view(""), std::string_view("hawser"), std::string_view("hawser:x:abc:ann"),
          std::string_view("hawser:x::ann"), std::string_view(":::\n::::")}) {
        CHECK_FALSE(parse_local_admins(text, passwd_file, 7).group_known);
    }
    CHECK(parse_local_admins("hawser:x:41:", passwd_file, 7).members.empty());
    CHECK(parse_local_admins(group_file, "", 7).members.empty());
}

TEST_CASE("on the admin socket: root, the server's own user, the group") {
    const registry::Tables tables;
    const LocalAdmins admins = parse_local_admins(group_file, passwd_file, 7);
    const auto role = [&](uid_t uid, gid_t gid) -> std::optional<model::Role> {
        const Result<Actor> actor = identify_operator(local(uid, gid), tables, admins, now);
        if (!actor) {
            CHECK(actor.error().code == ErrorCode::permission_denied);
            return std::nullopt;
        }
        CHECK(actor->name == "uid:" + std::to_string(uid));
        return actor->role;
    };
    CHECK(role(0, 0) == model::Role::admin);
    CHECK(role(7, 9) == model::Role::admin);
    CHECK(role(5000, 41) == model::Role::admin);
    CHECK(role(1001, 100) == model::Role::admin);
    CHECK_FALSE(role(1003, 100).has_value());
    CHECK_FALSE(role(5000, 100).has_value());
    // Without the group its number means nothing: 0 is not everybody's group.
    const Result<Actor> actor =
        identify_operator(local(5000, 0), tables, parse_local_admins("", passwd_file, 7), now);
    CHECK_FALSE(actor.has_value());
}

TEST_CASE("an operator token is good with its own secret only") {
    registry::Tables tables;
    const ca::OperatorTokenText token{.id = ca::new_token_id(), .secret = ca::new_token_secret()};
    put(tables, model::OperatorToken{.id = token.id,
                                     .secret_hash = ca::hash_secret(token.secret),
                                     .role = model::Role::reader,
                                     .created_at = 1});
    const auto identify = [&](const std::string& bearer) {
        rpc::Caller caller;
        caller.bearer = bearer;
        return identify_operator(caller, tables, {}, now);
    };
    const Result<Actor> actor = identify(token.to_text());
    REQUIRE(actor.has_value());
    CHECK(actor->name == "operator:" + token.id);
    CHECK(actor->role == model::Role::reader);

    ca::OperatorTokenText other = token;
    other.secret = ca::new_token_secret();
    const Result<Actor> wrong_secret = identify(other.to_text());
    other = token;
    other.id = ca::new_token_id();
    const Result<Actor> wrong_id = identify(other.to_text());
    REQUIRE_FALSE(wrong_secret.has_value());
    REQUIRE_FALSE(wrong_id.has_value());
    // Which of the two was wrong is not told.
    CHECK(wrong_secret.error().message == wrong_id.error().message);
    CHECK(wrong_secret.error().code == ErrorCode::unauthenticated);
    CHECK(identify("").error().code == ErrorCode::unauthenticated);
    CHECK(identify("nonsense").error().code == ErrorCode::unauthenticated);
}

// An operator's token as the registry has it, and what its bearer is told.
struct KnownToken {
    explicit KnownToken(model::OperatorToken row) {
        row.id = text.id;
        row.secret_hash = ca::hash_secret(text.secret);
        put(tables, std::move(row));
    }
    Result<Actor> identify(const std::string& secret, WallTime when) {
        rpc::Caller caller;
        caller.bearer = ca::OperatorTokenText{.id = text.id, .secret = secret}.to_text();
        return identify_operator(caller, tables, {}, when);
    }
    ca::OperatorTokenText text{.id = ca::new_token_id(), .secret = ca::new_token_secret()};
    registry::Tables tables;
};

TEST_CASE("an operator token is good until it expires") {
    KnownToken token({.created_at = 1, .expires_at = now});
    CHECK(token.identify(token.text.secret, now - 1).has_value());
    const Result<Actor> late = token.identify(token.text.secret, now);
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().code == ErrorCode::unauthenticated);
    CHECK(late.error().message.contains("expired at"));
    // That it expired is told only to who had it.
    CHECK(token.identify(ca::new_token_secret(), now).error().message ==
          "the operator token is not valid");
}

TEST_CASE("a rotated operator token is good with the secret before for as long as was said") {
    const std::string before = ca::new_token_secret();
    KnownToken token(
        {.created_at = 1, .previous_hash = ca::hash_secret(before), .previous_until = now});
    CHECK(token.identify(before, now - 1).has_value());
    CHECK(token.identify(token.text.secret, now - 1).has_value());
    CHECK(token.identify(token.text.secret, now).has_value());
    CHECK(token.identify(before, now).error().message.contains("since it was rotated"));
    CHECK(token.identify(ca::new_token_secret(), now - 1).error().message ==
          "the operator token is not valid");
}

TEST_CASE("a registrar writes services of its prefix and nothing else") {
    KnownToken token({.role = model::Role::registrar, .created_at = 1, .service_prefix = "web-"});
    const Result<Actor> found = token.identify(token.text.secret, now);
    REQUIRE(found.has_value());
    const Actor& registrar = *found;
    const auto apply = [&](std::vector<std::string> services, bool policy = false) {
        model::ApplyResources command;
        for (std::string& name : services) {
            command.services.emplace_back();
            command.services.back().name = std::move(name);
        }
        if (policy) command.policies.push_back({.name = "p", .service = "web-a", .from = {}});
        return require_scope(registrar, command);
    };
    CHECK(apply({"web-a", "web-b"}).has_value());
    CHECK(apply({}).has_value());
    for (const std::string& name : {"api", "web", "xweb-a", ""}) {
        CAPTURE(name);
        const Result<void> refused = apply({"web-a", name});
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().code == ErrorCode::permission_denied);
        CHECK(refused.error().message.contains("web-*"));
    }
    CHECK_FALSE(apply({"web-a"}, true).has_value());
    const auto remove = [&](model::Kind kind, const std::string& name) {
        return require_scope(registrar, model::DeleteResource{.kind = kind, .name = name})
            .has_value();
    };
    CHECK(remove(model::Kind::service, "web-a"));
    CHECK_FALSE(remove(model::Kind::service, "api"));
    CHECK_FALSE(remove(model::Kind::node, "web-1"));
    CHECK_FALSE(remove(model::Kind::policy, "web-a"));
    CHECK_FALSE(remove(model::Kind::quarantine, "node/web-1"));
    const Actor other{.name = "x", .role = model::Role::operator_};
    CHECK(require_scope(other, model::DeleteResource{.kind = model::Kind::node, .name = "web-1"}));
}

TEST_CASE("a certificate is no operator's") {
    const registry::Tables tables;
    CHECK(identify_operator(with_certificate("spiffe://hawser.local/node/web-1"), tables, {}, now)
              .error()
              .code == ErrorCode::unauthenticated);
}

TEST_CASE("roles include the lesser ones") {
    using model::Role;
    CHECK(require_role({.name = "x", .role = Role::admin}, Role::operator_).has_value());
    CHECK(require_role({.name = "x", .role = Role::operator_}, Role::operator_).has_value());
    CHECK(require_role({.name = "x", .role = Role::reader}, Role::reader).has_value());
    const Result<void> refused = require_role({.name = "x", .role = Role::reader}, Role::operator_);
    CHECK(refused.error().code == ErrorCode::permission_denied);
    CHECK(refused.error().message == "x has the role reader; this needs operator");
}

TEST_CASE("a node is known by its certificate, and only while it exists") {
    registry::Tables tables;
    put(tables, model::TrustDomain{});
    model::Node node;
    node.name = "web-1";
    put(tables, node);
    const auto code = [&](const rpc::Caller& caller) -> std::optional<ErrorCode> {
        const Result<const model::Node*> found = identify_node(caller, tables);
        if (found) return std::nullopt;
        return found.error().code;
    };
    CHECK_FALSE(code(with_certificate("spiffe://hawser.local/node/web-1")).has_value());
    CHECK(code(rpc::Caller{}) == ErrorCode::unauthenticated);
    for (const std::string_view uri :
         {"spiffe://hawser.local/node/web-2", "spiffe://hawser.local/svc/web-1",
          "spiffe://hawser.local/server/web-1", "spiffe://other.local/node/web-1"}) {
        CHECK(code(with_certificate(std::string(uri))) == ErrorCode::permission_denied);
    }
}

TEST_CASE("a certificate of an earlier node of the same name is not this node's") {
    registry::Tables tables;
    put(tables, model::TrustDomain{});
    model::Node node;
    node.name = "web-1";
    node.joined_at = 1'800'000'000'001;
    put(tables, node);
    rpc::Caller caller = with_certificate("spiffe://hawser.local/node/web-1");
    for (const std::uint64_t generation : {0ULL, 1'800'000'000'000ULL, 1'800'000'000'002ULL}) {
        caller.certificate_generation = generation;
        CHECK(identify_node(caller, tables).error().code == ErrorCode::permission_denied);
    }
    caller.certificate_generation = 1'800'000'000'001;
    CHECK(identify_node(caller, tables).has_value());
}

} // namespace hawser::server::test
