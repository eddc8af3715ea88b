// History, plans and rollbacks through a real server.
#include "base/bytes.h"
#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

Result<v1::HistoryResponse> history(MeshFixture& mesh, const std::string& kind = {},
                                    const std::string& name = {}, std::uint32_t limit = 0,
                                    std::uint64_t before = 0) {
    v1::HistoryRequest request;
    request.set_kind(kind);
    request.set_name(name);
    request.set_limit(limit);
    request.set_before_index(before);
    return mesh.call<v1::HistoryResponse>("History", std::move(request));
}

model::Policy policy_from(const std::string& caller) {
    model::Policy policy = make_policy("p", "api");
    policy.from = {caller};
    return policy;
}

std::uint64_t apply(MeshFixture& mesh, const std::string& caller) {
    const auto applied = mesh.apply({}, {policy_from(caller)});
    if (!applied) FAIL(applied.error().message);
    return applied->index();
}

model::Policy policy_of(const std::string& bytes) {
    return std::get<model::Policy>(model::decode(model::Kind::policy, bytes).value());
}

} // namespace

TEST_CASE("history tells who changed what, from where, the newest first") {
    MeshFixture mesh;
    apply(mesh, "web");
    const std::uint64_t changed = apply(mesh, "admin");
    const auto all = history(mesh);
    if (!all) FAIL(all.error().message);
    REQUIRE(all->entries_size() >= 4); // the trust domain and its operator before
    CHECK(all->index() == changed);
    CHECK(all->complete_since() == 0);
    const v1::HistoryEntry& newest = all->entries(0);
    CHECK(newest.index() == changed);
    CHECK(newest.verb() == v1::VERB_CHANGED);
    CHECK(newest.actor().starts_with("operator:"));
    CHECK(newest.source().starts_with("127.0.0.1:"));
    CHECK(newest.at_ms() > 1'700'000'000'000);
    CHECK(policy_of(newest.before()).from.at(0) == "web");
    CHECK(policy_of(newest.after()).from.at(0) == "admin");

    CHECK(history(mesh, "policy", "p")->entries_size() == 2);
    CHECK(history(mesh, "policies", "p", 1)->entries_size() == 1);
    CHECK(history(mesh, "policy", "p", 0, changed)->entries_size() == 1);
    CHECK(history(mesh, "policy", "none")->entries_size() == 0);
    CHECK(history(mesh, "", "p").error().code == ErrorCode::invalid);
    CHECK(history(mesh, "history").error().code == ErrorCode::invalid);
    CHECK(history(mesh, "polcy").error().message.find("did you mean 'policy'") !=
          std::string::npos);
}

TEST_CASE("history survives a restart, keeps reports apart, and tells no secrets") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    apply(mesh, "web");
    mesh.restart_server();
    CHECK(history(mesh, "policy", "p")->entries_size() == 1);
    const auto nodes = history(mesh, "node");
    REQUIRE(nodes->entries_size() == 1);
    CHECK(nodes->entries(0).actor() == "node:web-1");
    CHECK(nodes->entries(0).source().starts_with("127.0.0.1:"));
    const auto everything = history(mesh);
    for (const v1::HistoryEntry& entry : everything->entries()) {
        CHECK(entry.kind() != static_cast<std::uint32_t>(model::Kind::node));
    }
    const auto tokens = history(mesh, "join_token");
    REQUIRE(tokens->entries_size() == 2);
    CHECK(tokens->entries(0).after().empty());
    CHECK(tokens->entries(1).after().empty());
}

TEST_CASE("a plan says what would change, field for field, and changes nothing") {
    MeshFixture mesh;
    const std::uint64_t index = apply(mesh, "web");
    v1::PlanRequest request;
    model::Service service = make_service("api");
    *request.mutable_resources() = model::to_proto(
        model::ApplyResources{.services = {service}, .policies = {policy_from("admin")}});
    const auto plan = mesh.call<v1::PlanResponse>("Plan", request);
    if (!plan) FAIL(plan.error().message);
    REQUIRE(plan->differences_size() == 2);
    CHECK(plan->differences(0).key() == "api");
    CHECK(plan->differences(0).before().empty());
    CHECK(plan->differences(1).key() == "p");
    CHECK(policy_of(plan->differences(1).before()).from.at(0) == "web");
    CHECK(policy_of(plan->differences(1).after()).from.at(0) == "admin");
    CHECK(plan->index() == index);
    CHECK(history(mesh)->index() == index);

    model::Service invalid = make_service("api");
    invalid.max_connections = 0;
    *request.mutable_resources() =
        model::to_proto(model::ApplyResources{.services = {invalid}, .policies = {}});
    CHECK(mesh.call<v1::PlanResponse>("Plan", request).error().code == ErrorCode::invalid);
}

TEST_CASE("a rollback goes back, tells what it did, and can be tried first") {
    MeshFixture mesh;
    const std::uint64_t then = apply(mesh, "web");
    const std::uint64_t changed = apply(mesh, "admin");
    v1::RollbackRequest request;
    request.set_index(then);
    request.set_dry_run(true);
    const auto tried = mesh.call<v1::RollbackResponse>("Rollback", request);
    if (!tried) FAIL(tried.error().message);
    CHECK(tried->differences_size() == 1);
    CHECK(tried->index() == changed);
    request.set_dry_run(false);
    const auto done = mesh.call<v1::RollbackResponse>("Rollback", request);
    if (!done) FAIL(done.error().message);
    REQUIRE(done->differences_size() == 1);
    CHECK(done->index() > changed);
    CHECK(policy_of(done->differences(0).after()).from.at(0) == "web");
    CHECK(history(mesh)->entries(0).index() == done->index());
    CHECK(mesh.call<v1::RollbackResponse>("Rollback", request)->differences_size() == 0);
    request.set_index(done->index() + 1000);
    CHECK(mesh.call<v1::RollbackResponse>("Rollback", request).error().code ==
          ErrorCode::out_of_range);
}

TEST_CASE("a rollback does not go back to before the mesh existed") {
    MeshFixture mesh;
    const std::uint64_t index = apply(mesh, "web");
    const auto all = history(mesh);
    const std::uint64_t first = all->entries(all->entries_size() - 1).index();
    REQUIRE(first > 1); // a cluster's own entry comes before
    v1::RollbackRequest request;
    for (const bool dry_run : {true, false}) {
        request.set_index(first - 1);
        request.set_dry_run(dry_run);
        const Error refused = mesh.call<v1::RollbackResponse>("Rollback", request).error();
        CHECK(refused.code == ErrorCode::out_of_range);
        CHECK(refused.message.contains(std::format("the mesh began at index {}", first)));
    }
    CHECK(history(mesh)->index() == index);
    request.set_index(first);
    CHECK(mesh.call<v1::RollbackResponse>("Rollback", request)->differences_size() == 1);
}

TEST_CASE("conditions of an apply are kept, and their failure is told as a lost race") {
    MeshFixture mesh;
    const std::uint64_t index = apply(mesh, "web");
    const auto conditional = [&](std::uint64_t expected) {
        v1::ApplyRequest request;
        *request.mutable_resources() = model::to_proto(model::ApplyResources{
            .services = {},
            .policies = {policy_from("admin")},
            .conditions = {{.kind = model::Kind::policy, .name = "p", .index = expected}}});
        return mesh.call<v1::ApplyResponse>("Apply", std::move(request));
    };
    CHECK(conditional(index + 7).error().code == ErrorCode::aborted);
    CHECK(conditional(0).error().code == ErrorCode::already_exists);
    CHECK(conditional(index).has_value());
    v1::DeleteRequest remove;
    remove.set_kind("policy");
    remove.set_name("p");
    remove.set_if_index(index);
    CHECK(mesh.call<v1::DeleteResponse>("Delete", remove).error().code == ErrorCode::aborted);
}

} // namespace hawser::server::test
