// Joining, registering, dying, leaving.
#include "base/limits.h"
#include "registry/mesh.h"

namespace hawser::registry::test {

TEST_CASE("a token lets its node in, once") {
    Mesh mesh;
    mesh.done(model::CreateJoinToken{.token = make_token("aa", "web-1", {"web"})});
    const model::JoinNode join{.token_id = "aa", .node = "web-1", .now = now + 5};
    CHECK(mesh.done(join) == Lines{"node/web-1 created", "join_token/aa changed"});
    const auto& node = mesh.get<model::Node>("web-1");
    CHECK(node.allowed_services == std::vector<std::string>{"web"});
    CHECK(node.joined_at == now + 5);
    CHECK_FALSE(node.alive);
    CHECK(mesh.get<model::JoinToken>("aa").used_at == now + 5);
}

TEST_CASE("each way a token can be wrong has its own words") {
    Mesh mesh;
    mesh.done(model::CreateJoinToken{.token = make_token("aa", "web-1")});
    mesh.done(model::CreateJoinToken{.token = make_token("bb", "web-2")});
    mesh.done(model::JoinNode{.token_id = "bb", .node = "web-2", .now = now});

    Error error = mesh.refused(model::JoinNode{.token_id = "cc", .node = "web-1", .now = now});
    CHECK(error.code == ErrorCode::unauthenticated);
    CHECK(error.message.find("not known") != std::string::npos);

    error = mesh.refused(model::JoinNode{.token_id = "aa", .node = "web-9", .now = now});
    CHECK(error.code == ErrorCode::permission_denied);
    CHECK(error.message.find("is for node 'web-1', not for 'web-9'") != std::string::npos);

    error = mesh.refused(model::JoinNode{.token_id = "bb", .node = "web-2", .now = now});
    CHECK(error.code == ErrorCode::already_exists);
    CHECK(error.message.find("was used already") != std::string::npos);

    error = mesh.refused(model::JoinNode{.token_id = "aa", .node = "web-1", .now = now + 600'000});
    CHECK(error.code == ErrorCode::unauthenticated);
    CHECK(error.message.find("expired at") != std::string::npos);
    // A moment earlier it is good.
    CHECK(mesh.send(model::JoinNode{.token_id = "aa", .node = "web-1", .now = now + 599'999})
              .has_value());
}

TEST_CASE("tokens are created once, checked, revoked and in the end forgotten") {
    Mesh mesh;
    mesh.done(model::CreateJoinToken{.token = make_token("aa", "web-1")});
    CHECK(mesh.refused(model::CreateJoinToken{.token = make_token("aa", "web-2")}).code ==
          ErrorCode::already_exists);
    model::JoinToken used = make_token("bb", "web-1");
    used.used_at = now;
    CHECK(mesh.refused(model::CreateJoinToken{.token = used}).code == ErrorCode::invalid);
    CHECK(mesh.refused(model::CreateJoinToken{.token = make_token("not hex", "web-1")}).code ==
          ErrorCode::invalid);
    CHECK(mesh.refused(model::RevokeJoinToken{.id = "cc"}).code == ErrorCode::not_found);
    CHECK(mesh.done(model::RevokeJoinToken{.id = "aa"}) == Lines{"join_token/aa deleted"});
    CHECK(mesh.refused(model::JoinNode{.token_id = "aa", .node = "web-1", .now = now}).code ==
          ErrorCode::unauthenticated);

    mesh.done(model::CreateJoinToken{.token = make_token("cc", "web-1")});
    model::JoinToken later = make_token("dd", "web-1");
    const WallTime eight_days = 8 * 86'400'000LL;
    later.expires_at += eight_days;
    REQUIRE(mesh.send(model::CreateJoinToken{.token = later}, now + eight_days));
    CHECK_FALSE(mesh.has<model::JoinToken>("cc"));
    CHECK(mesh.has<model::JoinToken>("dd"));
}

TEST_CASE("there is a limit to join tokens") {
    Mesh mesh;
    for (std::size_t i = 0; i < limits::join_tokens; ++i) {
        REQUIRE(mesh.send(model::CreateJoinToken{.token = make_token(std::to_string(i), "n")}));
    }
    CHECK(mesh.refused(model::CreateJoinToken{.token = make_token("ff", "n")}).code ==
          ErrorCode::resource_exhausted);
}

TEST_CASE("a registration creates services with defaults and the node's instances") {
    Mesh mesh;
    mesh.join("web-1");
    CHECK(mesh.done(make_sync(
              "web-1", {make_instance("web-1", "api"), make_instance("web-1", "web", 80)})) ==
          Lines{"service/api created", "service/web created", "instance/web-1/api/8080 created",
                "instance/web-1/web/80 created", "node/web-1 changed"});
    const auto& node = mesh.get<model::Node>("web-1");
    CHECK(node.alive);
    CHECK(node.zone == "eu/a");
    CHECK(node.tunnel == *Endpoint::parse("10.0.0.7:15008"));
    CHECK(node.version == "1.0");
    CHECK(mesh.get<model::Service>("api").default_policy == model::Effect::deny);
    CHECK_FALSE(mesh.get<model::Service>("api").vip4.is_unspecified());
}

TEST_CASE("only what differs in a registration is a change") {
    Mesh mesh;
    mesh.join("web-1");
    std::vector<model::Instance> instances{make_instance("web-1", "api"),
                                           make_instance("web-1", "web", 80)};
    mesh.done(make_sync("web-1", instances));
    CHECK(mesh.done(make_sync("web-1", instances)).empty());
    instances[0].health = model::Health::critical;
    CHECK(mesh.done(make_sync("web-1", instances)) == Lines{"instance/web-1/api/8080 changed"});
    instances.pop_back();
    CHECK(mesh.done(make_sync("web-1", instances)) == Lines{"instance/web-1/web/80 deleted"});
    // Its service stays: others may host it, and its address is known.
    CHECK(mesh.has<model::Service>("web"));
}

TEST_CASE("a registration does not touch what operators set, nor other nodes") {
    Mesh mesh;
    model::Service api = make_service("api");
    api.protocol = model::Protocol::http;
    mesh.done(model::ApplyResources{.services = {api}, .policies = {}});
    mesh.join("web-1");
    mesh.join("web-10");
    mesh.done(make_sync("web-10", {make_instance("web-10", "api")}));
    mesh.done(make_sync("web-1", {make_instance("web-1", "api")}));
    mesh.done(make_sync("web-1", {}));
    CHECK(mesh.get<model::Service>("api").protocol == model::Protocol::http);
    CHECK(mesh.has<model::Instance>("web-10/api/8080"));
    CHECK_FALSE(mesh.has<model::Instance>("web-1/api/8080"));
}

TEST_CASE("what a node may not register") {
    Mesh mesh;
    mesh.join("web-1", {"web"});
    Error error = mesh.refused(make_sync("web-1", {make_instance("web-1", "db")}));
    CHECK(error.code == ErrorCode::permission_denied);
    CHECK(error.message.find("may not host service 'db'") != std::string::npos);

    error = mesh.refused(make_sync("web-1", {make_instance("web-2", "web")}));
    CHECK(error.code == ErrorCode::permission_denied);
    CHECK(error.message.find("of another node") != std::string::npos);

    CHECK(mesh.refused(make_sync("web-9", {})).code == ErrorCode::not_found);
    CHECK(mesh.refused(make_sync("web-1",
                                 {make_instance("web-1", "web"), make_instance("web-1", "web")}))
              .message == "instance 'web-1/web/8080' is given twice");
    CHECK(mesh.refused(make_sync("web-1", {make_instance("web-1", "web", 0)})).code ==
          ErrorCode::invalid);
    std::vector<model::Instance> many;
    for (std::size_t i = 0; i <= limits::instances_per_node; ++i) {
        many.push_back(make_instance("web-1", "web", static_cast<std::uint16_t>(i + 1)));
    }
    CHECK(mesh.refused(make_sync("web-1", many)).code == ErrorCode::resource_exhausted);
    many.pop_back();
    CHECK(mesh.send(make_sync("web-1", many)).has_value());

    model::SyncNode bad_zone = make_sync("web-1", {});
    bad_zone.zone = "Not A Zone";
    CHECK(mesh.refused(bad_zone).code == ErrorCode::invalid);
}

TEST_CASE("alive and dead") {
    Mesh mesh;
    mesh.join("web-1");
    mesh.done(make_sync("web-1", {make_instance("web-1", "web")}));
    CHECK(mesh.done(model::SetNodeAlive{.node = "web-1", .alive = true}).empty());
    CHECK(mesh.done(model::SetNodeAlive{.node = "web-1", .alive = false}) ==
          Lines{"node/web-1 changed"});
    CHECK(mesh.done(model::SetNodeAlive{.node = "web-1", .alive = false}).empty());
    CHECK(mesh.has<model::Instance>("web-1/web/8080"));
    CHECK(mesh.done(make_sync("web-1", {make_instance("web-1", "web")})) ==
          Lines{"node/web-1 changed"});
    CHECK(mesh.get<model::Node>("web-1").alive);
    CHECK(mesh.refused(model::SetNodeAlive{.node = "none", .alive = true}).code ==
          ErrorCode::not_found);
}

TEST_CASE("joining again keeps the registration and takes the new token's services") {
    Mesh mesh;
    mesh.join("web-1", {"api", "web"});
    mesh.done(make_sync("web-1", {make_instance("web-1", "api"), make_instance("web-1", "web")}));
    mesh.done(model::CreateJoinToken{.token = make_token("f1", "web-1", {"web", "db"})});
    CHECK(mesh.done(model::JoinNode{.token_id = "f1", .node = "web-1", .now = now + 9}) ==
          Lines{"instance/web-1/api/8080 deleted", "node/web-1 changed", "join_token/f1 changed"});
    const auto& node = mesh.get<model::Node>("web-1");
    CHECK(node.alive);
    CHECK(node.tunnel.port == 15008);
    CHECK(node.joined_at == now); // it is the same node: its certificates stay good
    CHECK(node.allowed_services == std::vector<std::string>{"web", "db"});
    CHECK(mesh.has<model::Instance>("web-1/web/8080"));
}

TEST_CASE("a join is repeated for the key that did it, as long as the token lives") {
    Mesh mesh;
    const std::string key(32, 'k');
    mesh.done(model::CreateJoinToken{.token = make_token("aa", "web-1", {"web"})});
    const model::JoinNode join{.token_id = "aa", .node = "web-1", .now = now, .key = key};
    mesh.done(join);
    CHECK(mesh.get<model::JoinToken>("aa").used_key == key);
    model::JoinNode again = join;
    again.now = now + 5000;
    CHECK(mesh.done(again).empty());

    // A later token's services are not taken back.
    mesh.done(model::CreateJoinToken{.token = make_token("bb", "web-1", {"web", "api"})});
    mesh.done(model::JoinNode{.token_id = "bb", .node = "web-1", .now = now + 6000, .key = key});
    CHECK(mesh.done(again).empty());
    CHECK(mesh.get<model::Node>("web-1").allowed_services.size() == 2);

    again.key = std::string(32, 'x');
    CHECK(mesh.refused(again).message.find("was used already") != std::string::npos);
    again.key = "";
    CHECK(mesh.refused(again).code == ErrorCode::already_exists);
    again.key = key;
    again.now = now + 600'000;
    CHECK(mesh.refused(again).code == ErrorCode::already_exists);
}

TEST_CASE("a key of a length that is none is refused") {
    Mesh mesh;
    mesh.done(model::CreateJoinToken{.token = make_token("aa", "web-1")});
    CHECK(
        mesh.refused(model::JoinNode{.token_id = "aa", .node = "web-1", .now = now, .key = "short"})
            .code == ErrorCode::invalid);
}

TEST_CASE("a deleted node cannot come back with the token it used, and is another when it joins") {
    Mesh mesh;
    mesh.done(model::CreateJoinToken{.token = make_token("aa", "web-1")});
    const model::JoinNode join{
        .token_id = "aa", .node = "web-1", .now = now, .key = std::string(32, 'k')};
    mesh.done(join);
    mesh.done(model::DeleteResource{.kind = model::Kind::node, .name = "web-1"});
    CHECK(mesh.refused(join).code == ErrorCode::failed_precondition);
    mesh.done(model::CreateJoinToken{.token = make_token("bb", "web-1")});
    mesh.done(model::JoinNode{
        .token_id = "bb", .node = "web-1", .now = now + 7001, .key = std::string(32, 'n')});
    CHECK(mesh.get<model::Node>("web-1").joined_at == now + 7001);
    CHECK(mesh.refused(join).code == ErrorCode::failed_precondition);
}

TEST_CASE("a deleted node takes its instances with it, and no other's") {
    Mesh mesh;
    mesh.join("web-1");
    mesh.join("web-10");
    mesh.done(make_sync("web-1", {make_instance("web-1", "web"), make_instance("web-1", "api")}));
    mesh.done(make_sync("web-10", {make_instance("web-10", "web")}));
    CHECK(mesh.done(model::DeleteResource{.kind = model::Kind::node, .name = "web-1"}) ==
          Lines{"instance/web-1/api/8080 deleted", "instance/web-1/web/8080 deleted",
                "node/web-1 deleted"});
    CHECK(mesh.has<model::Instance>("web-10/web/8080"));
    CHECK(mesh.refused(make_sync("web-1", {})).code == ErrorCode::not_found);
}

TEST_CASE("instances by node and by service") {
    Mesh mesh;
    mesh.join("a");
    mesh.join("a-b");
    mesh.done(make_sync("a", {make_instance("a", "web"), make_instance("a", "api")}));
    mesh.done(make_sync("a-b", {make_instance("a-b", "web")}));
    CHECK(mesh.registry.tables().instances_of_node("a").size() == 2);
    CHECK(mesh.registry.tables().instances_of_node("a-b").size() == 1);
    CHECK(mesh.registry.tables().instances_of_node("b").empty());
    CHECK(mesh.registry.tables().instances_of_service("web").size() == 2);
}

} // namespace hawser::registry::test
