// Create-only and compare-and-set writes.
#include "registry/mesh.h"

namespace hawser::registry::test {

namespace {

model::ApplyResources apply_policy(const std::string& caller, std::uint64_t index) {
    model::Policy policy = make_policy("p", "api");
    policy.from = {caller};
    return {.services = {},
            .policies = {policy},
            .conditions = {{.kind = model::Kind::policy, .name = "p", .index = index}}};
}

} // namespace

TEST_CASE("create-only creates once") {
    Mesh mesh;
    CHECK(mesh.done(apply_policy("web", 0)) == Lines{"policy/p created"});
    const Error again = mesh.refused(apply_policy("other", 0));
    CHECK(again.code == ErrorCode::already_exists);
    CHECK(again.message == "policy 'p' exists already, since index 2");
    CHECK(mesh.get<model::Policy>("p").from == std::vector<std::string>{"web"});
    mesh.done(model::DeleteResource{.kind = model::Kind::policy, .name = "p"});
    CHECK(mesh.done(apply_policy("web", 0)) == Lines{"policy/p created"});
}

TEST_CASE("compare-and-set lets one of two writers through") {
    Mesh mesh;
    mesh.done(apply_policy("web", 0));
    const std::uint64_t seen = mesh.index;
    CHECK(mesh.done(apply_policy("a", seen)) == Lines{"policy/p changed"});
    const Error lost = mesh.refused(apply_policy("b", seen));
    CHECK(lost.code == ErrorCode::aborted);
    CHECK(lost.message == "policy 'p' is at index 3, not 2: somebody changed it meanwhile");
    CHECK(mesh.get<model::Policy>("p").from == std::vector<std::string>{"a"});
    // What changes nothing moves no index: the condition holds as often as it is tried.
    CHECK(mesh.done(apply_policy("a", 3)).empty());
    CHECK(mesh.done(apply_policy("a", 3)).empty());
}

TEST_CASE("one condition that fails stops the whole apply") {
    Mesh mesh;
    mesh.done(apply_policy("web", 0));
    model::ApplyResources both = apply_policy("a", 2);
    both.services = {make_service("new")};
    both.conditions.push_back({.kind = model::Kind::service, .name = "gone", .index = 9});
    const Error error = mesh.refused(both);
    CHECK(error.code == ErrorCode::aborted);
    CHECK(error.message == "service 'gone' does not exist, index 9 was expected");
    CHECK_FALSE(mesh.has<model::Service>("new"));
}

TEST_CASE("deleting what somebody changed meanwhile is refused") {
    Mesh mesh;
    mesh.done(apply_policy("web", 0));
    mesh.done(apply_policy("a", 2));
    const auto remove = [](std::uint64_t index) {
        return model::DeleteResource{.kind = model::Kind::policy, .name = "p", .if_index = index};
    };
    CHECK(mesh.refused(remove(2)).code == ErrorCode::aborted);
    CHECK(mesh.done(remove(3)) == Lines{"policy/p deleted"});
    CHECK(mesh.refused(remove(3)).code == ErrorCode::aborted);
}

} // namespace hawser::registry::test
