// What is remembered of changes, for how long, and going back.
#include <algorithm>
#include <format>

#include "base/limits.h"
#include "registry/history.h"
#include "registry/mesh.h"

namespace hawser::registry::test {

namespace {

using Entries = std::vector<model::HistoryEntry>;

Entries history_of(const Mesh& mesh, model::Kind kind, const std::string& name = {}) {
    Entries entries;
    for (const auto& [key, row] : mesh.registry.tables().rows(model::Kind::history)) {
        const auto& entry = std::get<model::HistoryEntry>(*row.value);
        if (entry.kind != static_cast<std::uint8_t>(kind)) continue;
        if (name.empty() || entry.key == name) entries.push_back(entry);
    }
    return entries;
}

model::ApplyResources apply_policy(const std::string& name, const std::string& caller) {
    model::Policy policy = make_policy(name, "api");
    policy.from = {caller};
    return {.services = {}, .policies = {policy}};
}

model::DeleteResource remove_policy(const std::string& name) {
    return {.kind = model::Kind::policy, .name = name};
}

std::string caller_of(const std::string& policy) {
    return std::get<model::Policy>(model::decode(model::Kind::policy, policy).value()).from.at(0);
}

// As large as a policy may be, so that history fills quickly.
model::ApplyResources apply_large(int number) {
    model::Policy policy = make_policy("large", "api");
    policy.from.clear();
    for (std::size_t i = 0; i < limits::sources_per_policy; ++i) {
        policy.from.push_back(std::format("{:03}-{:040}-{:010}", i, 0, number));
    }
    return {.services = {}, .policies = {policy}};
}

} // namespace

TEST_CASE("each change is remembered with who, when, from where, and what stood there") {
    Mesh mesh;
    mesh.done(apply_policy("p", "web"));
    const Result<Outcome> changed =
        mesh.registry.apply(++mesh.index, {.command = apply_policy("p", "admin"),
                                           .actor = "operator:1f2e",
                                           .proposed_at = now + 5,
                                           .source = "10.0.0.9:53122"});
    REQUIRE(changed.has_value());
    CHECK(describe(*changed) == Lines{"policy/p changed"});
    mesh.done(remove_policy("p"));
    const Entries entries = history_of(mesh, model::Kind::policy);
    REQUIRE(entries.size() == 3);
    CHECK(entries[0].index == 2);
    CHECK(entries[0].verb == model::Verb::created);
    CHECK(entries[0].previous == 0);
    CHECK(entries[0].before.empty());
    CHECK(caller_of(entries[0].after) == "web");
    CHECK(entries[1].index == 3);
    CHECK(entries[1].verb == model::Verb::changed);
    CHECK(entries[1].previous == 2);
    CHECK(entries[1].actor == "operator:1f2e");
    CHECK(entries[1].source == "10.0.0.9:53122");
    CHECK(entries[1].at == now + 5);
    CHECK(caller_of(entries[1].before) == "web");
    CHECK(caller_of(entries[1].after) == "admin");
    CHECK(entries[2].verb == model::Verb::deleted);
    CHECK(entries[2].after.empty());
}

TEST_CASE("nothing is remembered of what changed nothing, and no secrets") {
    Mesh mesh;
    mesh.done(apply_policy("p", "web"));
    mesh.done(apply_policy("p", "web"));
    mesh.refused(remove_policy("none"));
    CHECK(history_of(mesh, model::Kind::policy).size() == 1);
    mesh.join("web-1");
    const Entries tokens = history_of(mesh, model::Kind::join_token);
    REQUIRE(tokens.size() == 2); // created and used
    for (const model::HistoryEntry& entry : tokens) {
        CHECK(entry.before.empty());
        CHECK(entry.after.empty());
    }
    CHECK(history_of(mesh, model::Kind::operator_token)[0].after.empty());
    CHECK(history_of(mesh, model::Kind::node, "web-1").size() == 1);
}

TEST_CASE("whatever a server calls itself fits into the row") {
    Mesh mesh;
    for (const std::string& actor : {std::string(1000, 'a'), std::string(1000, '\x01'),
                                     std::string("\xff\xfe"), std::string(50, '\n')}) {
        mesh.index += 1;
        REQUIRE(
            mesh.registry
                .apply(mesh.index, {.command = apply_policy("p", std::format("c{}", mesh.index)),
                                    .actor = actor,
                                    .proposed_at = now,
                                    .source = actor})
                .has_value());
    }
    for (const model::HistoryEntry& entry : history_of(mesh, model::Kind::policy)) {
        CHECK(model::decode(model::Kind::history, model::encode(entry)).has_value());
    }
}

TEST_CASE("a resource has a bounded history of its own") {
    Mesh mesh;
    mesh.done(apply_policy("quiet", "web"));
    const std::uint64_t begin = mesh.index;
    for (std::size_t i = 0; i < limits::history_per_resource + 10; ++i) {
        mesh.done(apply_policy("busy", std::format("c{}", i)));
    }
    const Entries busy = history_of(mesh, model::Kind::policy, "busy");
    CHECK(busy.size() == limits::history_per_resource);
    CHECK(busy.front().index == begin + 11);
    CHECK(busy.front().previous == begin + 10);
    CHECK(history_of(mesh, model::Kind::policy, "quiet").size() == 1);
    CHECK(mesh.registry.forgotten() == Forgotten{});
    // Its own history ends there, and with it everybody's way back.
    CHECK(mesh.refused(model::Rollback{.index = begin}).message ==
          "history of policy 'busy' reaches back to index 12 only, not to 2");
    CHECK(mesh.done(model::Rollback{.index = begin + 10}) == Lines{"policy/busy changed"});
    CHECK(mesh.get<model::Policy>("busy").from.at(0) == "c9");
}

TEST_CASE("all history together is bounded, the oldest goes, and reports push out no decision") {
    Mesh mesh;
    mesh.done(apply_policy("first", "web"));
    const std::uint64_t first = mesh.index;
    for (int i = 0; i < 50; ++i) mesh.done(apply_policy(std::format("p{}", i), "web"));
    mesh.join("n", {"api"});
    model::Instance instance = make_instance("n", "api");
    for (int i = 0; i < 3000; ++i) {
        instance.health_reason = std::string(4000, 'x') + std::to_string(i);
        mesh.done(make_sync("n", {instance}));
        if (i % 50 == 0) mesh.done(apply_large(i));
    }
    const HistoryIndex& history = mesh.registry.tables().history();
    CHECK(history.cost(Writers::agents) <= limits::history_report_bytes);
    CHECK(history.cost(Writers::operators) <= limits::history_operator_bytes);
    CHECK(history_of(mesh, model::Kind::instance).size() == limits::history_per_resource);
    CHECK(history_of(mesh, model::Kind::policy, "first").size() == 1);
    CHECK(mesh.registry.forgotten() == Forgotten{});
    // Many resources, each with little history: now the total decides.
    for (int i = 0; mesh.registry.forgotten().operators == 0; ++i) {
        model::ApplyResources large = apply_large(i);
        large.policies[0].name = std::format("large-{}", i % 2000);
        mesh.done(large);
        REQUIRE(i < 5000);
    }
    CHECK(history.cost(Writers::operators) <= limits::history_operator_bytes);
    CHECK(mesh.registry.forgotten().operators >= first);
    CHECK(mesh.registry.forgotten().operators < first + 50); // one large one takes some small ones'
    CHECK(history_of(mesh, model::Kind::policy, "first").empty());
    CHECK(history_of(mesh, model::Kind::policy, "p49").size() == 1);
    CHECK(mesh.refused(model::Rollback{.index = first - 1})
              .message.starts_with("history reaches back to index "));
}

TEST_CASE("one apply that is larger than all history is applied, and leaves the newest of it") {
    Mesh mesh;
    model::ApplyResources all;
    for (int i = 0; i < 3000; ++i) {
        model::Policy policy = apply_large(i).policies[0];
        policy.name = std::format("p{:04}", i);
        all.policies.push_back(std::move(policy));
    }
    REQUIRE(mesh.send(std::move(all)).has_value());
    const HistoryIndex& history = mesh.registry.tables().history();
    CHECK(history.cost(Writers::operators) <= limits::history_operator_bytes);
    CHECK(history.cost(Writers::operators) > limits::history_operator_bytes / 2);
    CHECK(mesh.registry.forgotten().operators == mesh.index);
    CHECK(history_of(mesh, model::Kind::policy, "p0000").empty());
    CHECK(history_of(mesh, model::Kind::policy, "p2999").size() == 1);
    CHECK(mesh.refused(model::Rollback{.index = mesh.index - 1}).code == ErrorCode::out_of_range);
}

TEST_CASE("rolling back makes every resource what it was, as a new change") {
    Mesh mesh;
    mesh.done(model::ApplyResources{.services = {make_service("api"), make_service("old")},
                                    .policies = {make_policy("kept", "api")}});
    mesh.done(apply_policy("p", "web"));
    const std::uint64_t then = mesh.index;
    const model::Service old = mesh.get<model::Service>("old");

    mesh.done(apply_policy("p", "admin"));
    mesh.done(apply_policy("p", "other"));
    mesh.done(remove_policy("kept"));
    mesh.done(apply_policy("new", "web"));
    mesh.done(model::DeleteResource{.kind = model::Kind::service, .name = "old"});
    model::Service api = make_service("api");
    api.protocol = model::Protocol::grpc;
    mesh.done(model::ApplyResources{.services = {api}, .policies = {}});

    CHECK(mesh.done(model::Rollback{.index = then}) ==
          Lines{"service/api changed", "service/old created", "policy/kept created",
                "policy/new deleted", "policy/p changed"});
    CHECK(mesh.get<model::Policy>("p").from.at(0) == "web");
    CHECK(mesh.get<model::Service>("api").protocol == model::Protocol::tcp);
    CHECK(mesh.get<model::Service>("old") == old); // with its addresses
    CHECK(mesh.has<model::Policy>("kept"));
    CHECK_FALSE(mesh.has<model::Policy>("new"));
    CHECK(mesh.done(model::Rollback{.index = then}).empty());
    // A rollback is a change like others: it can be undone.
    CHECK(mesh.done(model::Rollback{.index = mesh.index - 2}).size() == 5);
    CHECK(mesh.get<model::Policy>("p").from.at(0) == "other");
    CHECK(mesh.refused(model::Rollback{.index = mesh.index + 1}).code == ErrorCode::out_of_range);
}

// A later version may have stricter rules, which what is remembered was not written under.
TEST_CASE("rolling back to what is no longer valid is refused as a whole, with what and why") {
    Mesh mesh;
    mesh.done(apply_policy("a", "web"));
    mesh.done(apply_policy("p", "web"));
    const std::uint64_t then = mesh.index;
    mesh.done(apply_policy("a", "admin"));
    mesh.done(apply_policy("p", "admin"));
    std::vector<model::Change> rows = mesh.registry.rows();
    for (model::Change& row : rows) {
        const auto* entry = std::get_if<model::HistoryEntry>(row.value.get());
        if (entry == nullptr || entry->index != mesh.index) continue;
        model::HistoryEntry stale = *entry;
        model::Policy policy = make_policy("p", "api");
        policy.from.assign(limits::sources_per_policy + 1, "web");
        stale.before = model::encode(policy);
        row.value = std::make_shared<const model::Resource>(std::move(stale));
    }
    mesh.registry = *Registry::restore(std::move(rows), mesh.registry.meta());
    const Error error = mesh.refused(model::Rollback{.index = then});
    CHECK(error.code == ErrorCode::failed_precondition);
    CHECK(error.message.starts_with(
        std::format("policy 'p' cannot be again what it was at index {}: ", then)));
    CHECK(mesh.get<model::Policy>("a").from.at(0) == "admin");
    CHECK(mesh.refused(model::Rollback{.index = 0}).code == ErrorCode::invalid);
}

TEST_CASE("rolling back leaves nodes, tokens and members alone, and services their instances") {
    Mesh mesh;
    mesh.done(model::ApplyResources{.services = {make_service("web")}, .policies = {}});
    const std::uint64_t then = mesh.index;
    mesh.join("n", {"api", "web"});
    mesh.done(make_sync("n", {make_instance("n", "api")}));
    model::Service api = make_service("api");
    api.protocol = model::Protocol::http;
    mesh.done(model::ApplyResources{.services = {api}, .policies = {}});
    const IpAddress vip = mesh.get<model::Service>("api").vip4;

    CHECK(mesh.done(model::Rollback{.index = then}) == Lines{"service/api changed"});
    CHECK(mesh.get<model::Service>("api").protocol == model::Protocol::tcp);
    CHECK(mesh.get<model::Service>("api").vip4 == vip);
    CHECK(mesh.has<model::Node>("n"));
    CHECK(mesh.has<model::Instance>("n/api/8080"));
    CHECK(mesh.has<model::JoinToken>("aa1"));
}

TEST_CASE("a service that lost its address meanwhile comes back with another") {
    Mesh mesh(make_domain("240.0.0.0/24"));
    mesh.done(model::ApplyResources{.services = {make_service("old")}, .policies = {}});
    const std::uint64_t then = mesh.index;
    const IpAddress vip = mesh.get<model::Service>("old").vip4;
    mesh.done(model::DeleteResource{.kind = model::Kind::service, .name = "old"});
    mesh.join("n", {"taker"});
    for (int i = 0; mesh.registry.tables().vip_taken(vip) == false; ++i) {
        mesh.done(model::ApplyResources{.services = {make_service(std::format("s{}", i))},
                                        .policies = {}});
        if (mesh.registry.tables().vip_taken(vip)) break;
        mesh.done(
            model::DeleteResource{.kind = model::Kind::service, .name = std::format("s{}", i)});
        REQUIRE(i < 300);
    }
    REQUIRE(mesh.send(model::Rollback{.index = then}).has_value());
    CHECK(mesh.has<model::Service>("old"));
}

} // namespace hawser::registry::test
