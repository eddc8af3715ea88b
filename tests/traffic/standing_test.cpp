#include "traffic/standing.h"

#include <doctest/doctest.h>

using namespace hawser;
using namespace hawser::traffic;
using model::IdentityKind;

namespace {

constexpr std::uint64_t web_1_joined = 1'000;

const model::Identity web{
    .trust_domain = "hawser.local", .kind = IdentityKind::service, .name = "web"};

model::Change row(const model::Resource& resource) {
    return {.kind = model::kind_of(resource),
            .key = model::key_of(resource),
            .index = 1,
            .value = std::make_shared<const model::Resource>(resource)};
}

model::Node node(const std::string& name, std::uint64_t joined_at) {
    return {.name = name,
            .zone = {},
            .tunnel = {},
            .version = {},
            .allowed_services = {"web"},
            .alive = true,
            .joined_at = static_cast<WallTime>(joined_at)};
}

// web-1 and web-2 may both speak for web; web-2 joined later.
struct Mesh {
    model::SnapshotBuilder builder;
    Mesh() {
        builder.apply(row(node("web-1", web_1_joined)));
        builder.apply(row(node("web-2", 2 * web_1_joined)));
    }
    void quarantine(IdentityKind kind, std::string subject) {
        model::Quarantine made;
        made.subject_kind = kind;
        made.subject = std::move(subject);
        made.reason = "broken into";
        builder.apply(row(made));
    }
    void remove(const std::string& name) {
        builder.apply({.kind = model::Kind::node, .key = name, .index = 2, .value = nullptr});
    }
    Refusal of(std::uint64_t generation, const model::Identity& identity = web) const {
        return find_holder(*builder.build(), identity, generation).refusal;
    }
};

} // namespace

TEST_CASE("a certificate tells the node it was issued to") {
    const Mesh mesh;
    const model::SnapshotPtr snapshot = mesh.builder.build();
    const Holder holder = find_holder(*snapshot, web, web_1_joined);
    REQUIRE(holder.node != nullptr);
    CHECK(holder.node->name == "web-1");
    CHECK_FALSE(holder.refusal);
}

TEST_CASE("who is in quarantine takes part in nothing") {
    Mesh mesh;
    mesh.quarantine(IdentityKind::node, "web-1");
    CHECK(mesh.of(web_1_joined).flag == Flag::quarantined);
    CHECK(mesh.of(web_1_joined).why == "node web-1 is in quarantine: broken into");
    CHECK_FALSE(mesh.of(2 * web_1_joined)); // the same service elsewhere
    mesh.quarantine(IdentityKind::service, "web");
    CHECK(mesh.of(2 * web_1_joined).flag == Flag::quarantined);
    CHECK(mesh.of(0).flag == Flag::quarantined); // whosever certificate it is
    mesh.remove("web-1");
    CHECK(mesh.of(web_1_joined).flag == Flag::quarantined);
}

TEST_CASE("a node and a service of one name are not the same") {
    Mesh mesh;
    mesh.quarantine(IdentityKind::node, "web");
    CHECK_FALSE(mesh.of(web_1_joined));
    CHECK_FALSE(check_quarantine(*mesh.builder.build(), IdentityKind::service, "web"));
    CHECK(check_quarantine(*mesh.builder.build(), IdentityKind::node, "web"));
}

TEST_CASE(
    "the certificates of a deleted node are worth nothing, also after its name is used again") {
    Mesh mesh;
    mesh.remove("web-2");
    CHECK(mesh.of(2 * web_1_joined).flag == Flag::deregistered);
    mesh.builder.apply(row(node("web-2", 3 * web_1_joined)));
    CHECK(mesh.of(2 * web_1_joined).flag == Flag::deregistered);
    CHECK_FALSE(mesh.of(3 * web_1_joined));
}

TEST_CASE("a node that joined after what this agent has heard of is no deleted one") {
    const Mesh mesh;
    CHECK_FALSE(mesh.of(2 * web_1_joined + 1));
    CHECK(mesh.of(2 * web_1_joined - 1).flag == Flag::deregistered);
}

TEST_CASE("a new beginning forgets no node that ever joined") {
    Mesh mesh;
    mesh.builder.reset();
    CHECK(mesh.of(2 * web_1_joined).flag == Flag::deregistered);
}

TEST_CASE("a node whose token no longer names a service may not speak for it") {
    Mesh mesh;
    model::Node restricted = node("web-1", web_1_joined);
    restricted.allowed_services = {"batch"};
    mesh.builder.apply(row(restricted));
    CHECK(mesh.of(web_1_joined).flag == Flag::deregistered);
    // Of two that joined in the same instant it is the one that may.
    mesh.builder.apply(row(node("web-3", web_1_joined)));
    CHECK_FALSE(mesh.of(web_1_joined));
}

TEST_CASE("an instance that is ill is still registered; one that is gone is not") {
    model::ServiceView api;
    api.service.name = "api";
    model::EndpointView endpoint;
    endpoint.node = endpoint.instance.node = "api-1";
    endpoint.instance.port = 8080;
    endpoint.instance.health = model::Health::critical;
    api.endpoints = {endpoint};
    CHECK_FALSE(check_instance(api, "api-1", 8080));
    CHECK(check_instance(api, "api-1", 8081).flag == Flag::deregistered);
    CHECK(check_instance(api, "api-2", 8080).flag == Flag::deregistered);
}
