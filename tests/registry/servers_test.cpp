// Members of the cluster: joining, moving, leaving; and what all of them understand.
#include <format>

#include "registry/levels.h"
#include "registry/mesh.h"

namespace hawser::registry::test {

namespace {

model::Server make_server(std::uint64_t id, const std::string& name, std::uint32_t level = 1) {
    return {.id = id,
            .name = name,
            .addresses = {*Endpoint::parse("10.0.0.1:7443")},
            .version = "1.0",
            .level = level,
            .joined_at = now};
}

model::CreateJoinToken token_for_server(const std::string& id, const std::string& server) {
    model::JoinToken token = make_token(id, "", {});
    token.server = server;
    return {.token = std::move(token)};
}

// With a token of its own.
Lines join_server(Mesh& mesh, const model::Server& server) {
    const std::string id = std::format("{:04x}", server.id);
    mesh.done(token_for_server(id, server.name));
    return mesh.done(model::JoinServer{.token_id = id, .server = server, .now = now});
}

} // namespace

TEST_CASE("a server joins with its token, once") {
    Mesh mesh;
    mesh.done(model::PutServer{make_server(1, "s1")});
    mesh.done(token_for_server("aa", "s2"));
    const model::JoinServer join{.token_id = "aa", .server = make_server(2, "s2"), .now = now + 5};
    CHECK(mesh.done(join) == Lines{"join_token/aa changed", "server/s2 created"});
    CHECK(mesh.get<model::Server>("s2") == join.server);
    CHECK(mesh.get<model::JoinToken>("aa").used_at == now + 5);
    CHECK(mesh.registry.tables().server(2)->name == "s2");
    CHECK(mesh.registry.tables().server(3) == nullptr);
    CHECK(mesh.refused(join).message.starts_with("join token 'aa' was used already"));
}

TEST_CASE("a server's join is repeated for its secret, not for its id, while the token lives") {
    Mesh mesh;
    mesh.done(model::PutServer{make_server(1, "s1", 2)});
    mesh.done(token_for_server("aa", "s2"));
    const model::JoinServer join{.token_id = "aa",
                                 .server = make_server(2, "s2", 2),
                                 .now = now,
                                 .key = std::string(32, 'k')};
    model::JoinServer other = join;
    other.key = "short";
    CHECK(mesh.refused(other).code == ErrorCode::invalid);
    mesh.done(join);
    CHECK(mesh.get<model::JoinToken>("aa").used_key == join.key);
    model::JoinServer again = join;
    again.now = now + 5000;
    CHECK(mesh.done(again).empty());

    const auto refused_as_used = [&](auto spoil) {
        model::JoinServer spoilt = again;
        spoil(spoilt);
        const Error refusal = mesh.refused(spoilt);
        return refusal.code == ErrorCode::already_exists &&
               refusal.message.starts_with("join token 'aa' was used already");
    };
    CHECK(refused_as_used([](model::JoinServer& j) { j.key = std::string(32, 'x'); }));
    CHECK(refused_as_used([](model::JoinServer& j) { j.key.clear(); }));
    CHECK(refused_as_used([](model::JoinServer& j) { j.server.id = 3; }));
    CHECK(refused_as_used([](model::JoinServer& j) { j.now = now + 600'000; }));
    mesh.done(model::RemoveServer{.id = 2});
    CHECK(refused_as_used([](model::JoinServer&) {}));
}

TEST_CASE("a server without a secret joins, and nobody may repeat it") {
    Mesh mesh;
    mesh.done(model::PutServer{make_server(1, "s1")});
    mesh.done(token_for_server("aa", "s2"));
    model::JoinServer join{.token_id = "aa", .server = make_server(2, "s2"), .now = now};
    mesh.done(join);
    CHECK(mesh.get<model::JoinToken>("aa").used_key.empty());
    CHECK(mesh.refused(join).code == ErrorCode::already_exists);
}

TEST_CASE("a secret is not proposed before all servers know what to do with it") {
    Mesh mesh;
    mesh.done(model::PutServer{make_server(1, "s1", 1)});
    mesh.done(token_for_server("aa", "s2"));
    const model::JoinServer join{.token_id = "aa",
                                 .server = make_server(2, "s2", 2),
                                 .now = now,
                                 .key = std::string(32, 'k')};
    const Result<Outcome> early =
        mesh.registry.check({.command = join, .actor = "test", .proposed_at = now});
    REQUIRE_FALSE(early.has_value());
    CHECK(early.error().message.starts_with("this needs feature level 2; upgrade first: s1"));
}

TEST_CASE("a token is good for whom it names only") {
    Mesh mesh;
    mesh.done(token_for_server("aa", "s2"));
    mesh.done(model::CreateJoinToken{.token = make_token("bb", "s2")});
    CHECK(mesh.refused(
                  model::JoinServer{.token_id = "aa", .server = make_server(2, "s3"), .now = now})
              .message == "join token 'aa' is for server 's2', not for 's3'");
    CHECK(mesh.refused(
                  model::JoinServer{.token_id = "bb", .server = make_server(2, "s2"), .now = now})
              .message == "join token 'bb' is for node 's2', not for server 's2'");
    CHECK(mesh.refused(model::JoinNode{.token_id = "aa", .node = "s2", .now = now}).message ==
          "join token 'aa' is for server 's2', not for node 's2'");
    const Error late = mesh.refused(
        model::JoinServer{.token_id = "aa", .server = make_server(2, "s2"), .now = now + 600'000});
    CHECK(late.code == ErrorCode::unauthenticated);
    model::JoinToken both = make_token("cc", "web-1");
    both.server = "s2";
    CHECK(mesh.refused(model::CreateJoinToken{.token = both}).code == ErrorCode::invalid);
}

TEST_CASE("a member may move, be renamed and upgraded, and keeps its id and its age") {
    Mesh mesh;
    CHECK(mesh.done(model::PutServer{make_server(1, "s1")}) == Lines{"server/s1 created"});
    CHECK(mesh.done(model::PutServer{make_server(1, "s1")}).empty());
    model::Server moved = make_server(1, "s1", 2);
    moved.addresses = {*Endpoint::parse("10.9.9.9:7443"), *Endpoint::parse("[fd00::9]:7443")};
    moved.joined_at = now + 99;
    CHECK(mesh.done(model::PutServer{moved}) == Lines{"server/s1 changed"});
    CHECK(mesh.get<model::Server>("s1").addresses == moved.addresses);
    CHECK(mesh.get<model::Server>("s1").joined_at == now);
    CHECK(mesh.done(model::PutServer{make_server(1, "main", 2)}) ==
          Lines{"server/main created", "server/s1 deleted"});
    CHECK(mesh.registry.tables().servers().size() == 1);
}

TEST_CASE("a member that is to leave stays so, whatever it says of itself") {
    Mesh mesh;
    mesh.done(model::PutServer{make_server(1, "s1")});
    join_server(mesh, make_server(2, "s2"));
    model::Server leaving = make_server(2, "s2");
    leaving.leaving = true;
    mesh.done(model::PutServer{leaving});
    CHECK(mesh.done(model::PutServer{make_server(2, "s2")}).empty());
    CHECK(mesh.get<model::Server>("s2").leaving);
    mesh.done(model::RemoveServer{.id = 2});
    join_server(mesh, make_server(3, "s2"));
    CHECK_FALSE(mesh.get<model::Server>("s2").leaving);
}

TEST_CASE("two servers do not share a name, the last one stays, and there is an end to them") {
    Mesh mesh;
    mesh.done(model::PutServer{make_server(1, "s1")});
    mesh.done(token_for_server("aa", "s1"));
    const Error taken = mesh.refused(
        model::JoinServer{.token_id = "aa", .server = make_server(2, "s1"), .now = now});
    CHECK(taken.code == ErrorCode::already_exists);
    CHECK(taken.message ==
          "server 's1' is a member already, with the id 0000000000000001; to replace it, remove it "
          "first");
    CHECK(mesh.refused(model::RemoveServer{.id = 1}).message == "server 's1' is the last one");
    CHECK(mesh.refused(model::RemoveServer{.id = 7}).code == ErrorCode::not_found);
    join_server(mesh, make_server(2, "s2"));
    CHECK(mesh.done(model::RemoveServer{.id = 1}) == Lines{"server/s1 deleted"});
    CHECK(join_server(mesh, make_server(3, "s1")).back() == "server/s1 created");
    for (std::uint64_t id = 4; mesh.registry.tables().servers().size() < limits::servers; ++id) {
        join_server(mesh, make_server(id, std::format("s{}", id)));
    }
    mesh.done(token_for_server("ff", "s99"));
    CHECK(mesh.refused(
                  model::JoinServer{.token_id = "ff", .server = make_server(99, "s99"), .now = now})
              .code == ErrorCode::resource_exhausted);
}

TEST_CASE("a token does not give the id of another member") {
    Mesh mesh;
    mesh.done(token_for_server("aa", "evil"));
    const model::JoinServer join{.token_id = "aa", .server = make_server(1, "evil"), .now = now};
    CHECK(mesh.refused(join).code == ErrorCode::unavailable); // whose is it? nobody said so yet
    mesh.done(model::PutServer{make_server(1, "s1")});
    const Error taken = mesh.refused(join);
    CHECK(taken.code == ErrorCode::already_exists);
    CHECK(taken.message ==
          "the id 0000000000000001 is that of server 's1'; join with an empty data directory");
}

TEST_CASE("a server that was removed does not come back by itself") {
    Mesh mesh;
    mesh.done(model::PutServer{make_server(1, "s1")});
    join_server(mesh, make_server(2, "s2"));
    mesh.done(model::RemoveServer{.id = 2});
    const Error removed = mesh.refused(model::PutServer{make_server(2, "s2")});
    CHECK(removed.code == ErrorCode::not_found);
    CHECK(removed.message ==
          "server 's2' with the id 0000000000000002 is no member: it was "
          "removed, or never joined");
    CHECK(mesh.refused(model::PutServer{make_server(3, "s1")}).code == ErrorCode::not_found);
}

TEST_CASE("invalid members are refused") {
    Mesh mesh;
    const auto refusal = [&](auto spoil) {
        model::Server server = make_server(1, "s1");
        spoil(server);
        return mesh.refused(model::PutServer{server}).code;
    };
    CHECK(refusal([](model::Server& s) { s.id = 0; }) == ErrorCode::invalid);
    CHECK(refusal([](model::Server& s) { s.name = "S1"; }) == ErrorCode::invalid);
    CHECK(refusal([](model::Server& s) { s.level = 0; }) == ErrorCode::invalid);
    CHECK(refusal([](model::Server& s) { s.addresses[0].port = 0; }) == ErrorCode::invalid);
    CHECK(refusal([](model::Server& s) { s.version = "\x01"; }) == ErrorCode::invalid);
    CHECK(refusal([](model::Server& s) {
              s.addresses.assign(9, *Endpoint::parse("10.0.0.1:7443"));
          }) == ErrorCode::invalid);
}

TEST_CASE("the oldest server decides which commands may be proposed, and that never falls") {
    Mesh mesh;
    const Tables& tables = mesh.registry.tables();
    CHECK(feature_level(tables) == 1);
    mesh.done(model::PutServer{make_server(1, "s1", 1)});
    join_server(mesh, make_server(2, "s2", 3));
    join_server(mesh, make_server(3, "s3", 2));
    CHECK(feature_level(tables) == 1);
    CHECK(check_level(1, tables).has_value());
    CHECK(check_level(3, tables).error().message ==
          "this needs feature level 3; upgrade first: s1 (1.0, level 1), s3 (1.0, level 2)");
    mesh.done(model::PutServer{make_server(1, "s1", 3)});
    CHECK(feature_level(tables) == 2);
    CHECK(mesh.refused(model::PutServer{make_server(2, "s2", 1)}).message ==
          "server 's2' (1.0) knows commands up to level 1, this mesh uses level 2; upgrade it "
          "first");
    mesh.done(token_for_server("aa", "s4"));
    CHECK(mesh.refused(model::JoinServer{
                           .token_id = "aa", .server = make_server(4, "s4", 1), .now = now})
              .code == ErrorCode::failed_precondition);
    mesh.done(model::RemoveServer{.id = 3});
    CHECK(feature_level(tables) == 3);
}

} // namespace hawser::registry::test
