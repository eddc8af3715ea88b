#include "agent/mesh_state.h"

#include <doctest/doctest.h>

#include "fixtures.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;

const TestAuthority& authority() {
    static const TestAuthority authority;
    return authority;
}

MeshState with_one_service() {
    MeshState mesh("test.local");
    CHECK(value_of(mesh.take(batch(5, {row(authority().domain()), row(service("api"))}, true))));
    return mesh;
}

TEST_CASE("at first there is an empty snapshot at index 0") {
    MeshState mesh("test.local");
    CHECK_FALSE(mesh.known());
    REQUIRE(mesh.snapshot() != nullptr);
    CHECK(mesh.snapshot()->index() == 0);
    CHECK(mesh.snapshot()->services().empty());
}

TEST_CASE("a snapshot, then changes") {
    MeshState mesh = with_one_service();
    CHECK(mesh.index() == 5);
    CHECK(mesh.snapshot()->service("api") != nullptr);
    CHECK(mesh.snapshot()->trust().name == "test.local");

    CHECK(value_of(mesh.take(batch(6, {row(service("db", 2))}))));
    CHECK(mesh.snapshot()->index() == 6);
    CHECK(mesh.snapshot()->services().size() == 2);
    CHECK(value_of(mesh.take(batch(7, {deletion(model::Kind::service, "api", 7)}))));
    CHECK(mesh.snapshot()->service("api") == nullptr);
}

TEST_CASE("nothing is seen of a snapshot in parts until it is complete") {
    MeshState mesh = with_one_service();
    const auto before = mesh.snapshot();
    CHECK_FALSE(value_of(mesh.take(batch(9, {row(authority().domain())}, true, false))));
    CHECK_FALSE(value_of(mesh.take(batch(9, {row(service("db"))}, false, false))));
    CHECK(mesh.snapshot() == before);
    CHECK(value_of(mesh.take(batch(9, {row(service("web", 2))}))));
    CHECK(mesh.snapshot()->service("api") == nullptr);
    CHECK(mesh.snapshot()->service("db") != nullptr);
    CHECK(mesh.snapshot()->service("web") != nullptr);
}

TEST_CASE("what a broken connection left incomplete is forgotten") {
    MeshState mesh = with_one_service();
    CHECK_FALSE(value_of(mesh.take(batch(9, {row(service("db"))}, true, false))));
    mesh.forget_incomplete();
    CHECK(value_of(mesh.take(batch(6, {row(service("web", 2))}))));
    CHECK(mesh.snapshot()->service("api") != nullptr);
    CHECK(mesh.snapshot()->service("db") == nullptr);
}

TEST_CASE("an empty batch at the same index says that nothing changed") {
    MeshState mesh = with_one_service();
    const auto before = mesh.snapshot();
    CHECK(value_of(mesh.take(batch(5, {}))));
    CHECK(mesh.snapshot() == before);
}

TEST_CASE("nonsense is refused and changes nothing") {
    MeshState mesh = with_one_service();
    const auto before = mesh.snapshot();
    v1::Change garbage = row(service("api"));
    garbage.set_value("\xff\xff\xff");
    v1::Change wrong_key = row(service("api"));
    wrong_key.set_key("db");
    CHECK_FALSE(mesh.take(batch(6, {garbage})));
    CHECK_FALSE(mesh.take(batch(6, {wrong_key})));
    CHECK_FALSE(mesh.take(batch(4, {row(service("db"))}))); // back in time
    CHECK_FALSE(mesh.take(batch(0, {row(service("db"))}, true)));
    CHECK_FALSE(mesh.take(batch(6, {deletion(model::Kind::trust_domain, "test.local", 6)})));
    mesh.forget_incomplete();
    CHECK(mesh.snapshot() == before);
    CHECK(mesh.index() == 5);
}

TEST_CASE("the state of another mesh is refused") {
    MeshState mesh("test.local");
    const TestAuthority other("other.local");
    const auto taken = mesh.take(batch(5, {row(other.domain())}, true));
    REQUIRE_FALSE(taken);
    CHECK(taken.error().message.contains("other.local"));
}

TEST_CASE("a server may come back from an older backup: a snapshot may lead back") {
    MeshState mesh = with_one_service();
    CHECK(value_of(mesh.take(batch(2, {row(authority().domain()), row(service("db"))}, true))));
    CHECK(mesh.index() == 2);
    CHECK(mesh.snapshot()->service("api") == nullptr);
}

model::TrustDomain of_epoch(std::uint64_t epoch, WallTime since) {
    model::TrustDomain domain = authority().domain();
    domain.epoch = epoch;
    domain.epoch_since = since;
    return domain;
}

TEST_CASE("an epoch that was followed is never given up for an older one") {
    MeshState mesh("test.local");
    REQUIRE(mesh.take(batch(9, {row(of_epoch(1, 0))}, true)));
    REQUIRE(mesh.take(batch(3, {row(of_epoch(2, 500))}, true))); // a later one, whatever its index
    // The cache is what is known after a restart.
    MeshState again("test.local");
    REQUIRE(again.take(mesh.dump()));
    for (MeshState* state : {&mesh, &again}) {
        CHECK(state->epoch() == 2);
        CHECK(state->epoch_since() == 500);
        for (const auto& older : {of_epoch(1, 0), of_epoch(3, 499)}) {
            const auto taken = state->take(batch(90, {row(older)}, true));
            REQUIRE_FALSE(taken);
            CHECK(taken.error().message.contains("given up"));
            state->forget_incomplete();
            CHECK(state->index() == 3);
        }
        REQUIRE(state->take(batch(4, {row(of_epoch(2, 500))}, true)));
        REQUIRE(state->take(batch(1, {row(of_epoch(4, 501))}, true)));
        CHECK(state->epoch() == 4);
    }
}

TEST_CASE("a restart does not forget which nodes are gone") {
    MeshState mesh = with_one_service();
    model::Node node;
    node.name = "web-9";
    node.joined_at = 1'767'323'045'000;
    REQUIRE(mesh.take(batch(6, {row(node, 6)})));
    REQUIRE(mesh.take(batch(7, {deletion(model::Kind::node, "web-9", 7)})));
    MeshState again("test.local");
    REQUIRE(again.take(mesh.dump()));
    CHECK(again.snapshot()->nodes().empty());
    CHECK(again.snapshot()->newest_join() == node.joined_at);
}

TEST_CASE("rows of kinds this version does not know, or agents don't see, are passed over") {
    MeshState mesh = with_one_service();
    v1::Change future;
    future.set_kind(200);
    future.set_key("x");
    future.set_value("y");
    model::OperatorToken token{.id = "0011223344556677",
                               .secret_hash = std::string(32, 'x'),
                               .role = model::Role::admin,
                               .created_at = 1};
    CHECK(value_of(mesh.take(batch(6, {future, row(token), row(service("db", 2))}))));
    CHECK(mesh.snapshot()->service("db") != nullptr);
    CHECK(mesh.dump().changes_size() == 3);
}

TEST_CASE("a dump makes the same state again") {
    MeshState mesh = with_one_service();
    MeshState copy("test.local");
    CHECK(value_of(copy.take(mesh.dump())));
    CHECK(copy.index() == 5);
    CHECK(copy.snapshot()->service("api")->service == mesh.snapshot()->service("api")->service);
    CHECK(copy.snapshot()->trust() == mesh.snapshot()->trust());
}

} // namespace
} // namespace hawser::agent
