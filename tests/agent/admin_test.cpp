#include "agent/admin.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "agent/mesh_state.h"
#include "fixtures.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;

TEST_CASE("root, the agent's own user and the group's members may ask") {
    CHECK(may_ask({.pid = 1, .uid = 0, .gid = 0}, {}));
    CHECK(may_ask({.pid = 1, .uid = ::geteuid(), .gid = 1}, {}));
    CHECK(may_ask({.pid = 0, .uid = 4242, .gid = 77}, 77));
    CHECK_FALSE(may_ask({.pid = 0, .uid = 4242, .gid = 78}, 77));
    CHECK_FALSE(may_ask({.pid = 0, .uid = 4242, .gid = 78}, {}));
    CHECK_FALSE(may_ask({.pid = ::getpid(), .uid = 4242, .gid = 4242}, 77'777));
}

TEST_CASE("rows are got by kind and name") {
    const TestAuthority authority;
    MeshState mesh("test.local");
    model::Node node;
    node.name = "web-1";
    node.tunnel = value_of(Endpoint::parse("10.0.0.7:15008"));
    model::Instance instance;
    instance.node = "web-1";
    instance.service = "api";
    instance.port = 8080;
    model::Policy policy;
    policy.name = "web-reads-api";
    policy.service = "api";
    policy.from = {"web"};
    REQUIRE(value_of(mesh.take(batch(9,
                                     {row(authority.domain()), row(service("api")),
                                      row(service("db", 2)), row(node), row(instance), row(policy)},
                                     true))));
    const auto count = [&](const char* kind, const char* name) {
        v1::GetRequest request;
        request.set_kind(kind);
        request.set_name(name);
        const auto response = get_rows(&mesh, request);
        if (response) CHECK(response->index() == 9);
        return response ? response->rows_size() : -static_cast<int>(response.error().code);
    };
    CHECK(count("service", "") == 2);
    CHECK(count("service", "db") == 1);
    CHECK(count("node", "") == 1);
    CHECK(count("instance", "web-1/api/8080") == 1);
    CHECK(count("policy", "") == 1);
    CHECK(count("service", "none") == -static_cast<int>(ErrorCode::not_found));
    CHECK(count("nonsense", "") < 0);
    CHECK(count("join_token", "") < 0);
}

TEST_CASE("each row has the index of its own last change; nothing is there before the mesh is") {
    const TestAuthority authority;
    MeshState mesh("test.local");
    REQUIRE(value_of(mesh.take(
        batch(9, {row(authority.domain()), row(service("api")), row(service("db"))}, true))));
    v1::Change changed = row(service("db"));
    changed.set_index(12);
    REQUIRE(value_of(mesh.take(batch(12, {changed}))));
    v1::GetRequest request;
    request.set_kind("services");
    const auto response = value_of(get_rows(&mesh, request));
    CHECK(response.index() == 12);
    REQUIRE(response.rows_size() == 2);
    CHECK(response.rows(0).index() == 1);
    CHECK(response.rows(1).index() == 12);
    CHECK(value_of(get_rows(nullptr, request)).rows_size() == 0);
}

} // namespace
} // namespace hawser::agent
