#include "model/mesh_snapshot.h"

#include <doctest/doctest.h>

#include "model/samples.h"

using namespace hawser;
using namespace hawser::model;
using samples::change;

namespace {

Instance instance(std::string node, std::uint16_t port, Health health = Health::passing) {
    Instance made = samples::instance();
    made.node = std::move(node);
    made.port = port;
    made.health = health;
    return made;
}

Node node(std::string name, bool alive = true) {
    Node made = samples::node();
    made.name = std::move(name);
    made.alive = alive;
    return made;
}

SnapshotBuilder filled() {
    SnapshotBuilder builder;
    std::uint64_t index = 0;
    for (const Resource& resource : samples::resources()) builder.apply(change(resource, ++index));
    builder.set_index(index);
    return builder;
}

Change deletion(const Resource& resource) {
    return {.kind = kind_of(resource), .key = key_of(resource), .index = 99, .value = nullptr};
}

} // namespace

TEST_CASE("an empty snapshot knows nothing") {
    const SnapshotPtr snapshot = SnapshotBuilder().build();
    CHECK(snapshot->index() == 0);
    CHECK(snapshot->services().empty());
    CHECK(snapshot->service("api") == nullptr);
    CHECK(snapshot->service_by_vip(IpAddress{}) == nullptr);
    CHECK(snapshot->node("web-1") == nullptr);
}

TEST_CASE("who is quarantined is told by kind and name") {
    SnapshotBuilder builder = filled();
    const SnapshotPtr snapshot = builder.build();
    const Quarantine* api = snapshot->quarantine(IdentityKind::service, "api");
    REQUIRE(api != nullptr);
    CHECK(*api == samples::quarantine());
    CHECK(snapshot->quarantine(IdentityKind::node, "api") == nullptr);
    CHECK(snapshot->quarantine(IdentityKind::service, "web") == nullptr);
    builder.apply(deletion(samples::quarantine()));
    CHECK(builder.build()->quarantine(IdentityKind::service, "api") == nullptr);
}

TEST_CASE("lookups by name and by both VIPs") {
    const SnapshotPtr snapshot = filled().build();
    const ServiceView* api = snapshot->service("api");
    REQUIRE(api != nullptr);
    CHECK(api->service == samples::service());
    CHECK(snapshot->service_by_vip(samples::service().vip4) == api);
    CHECK(snapshot->service_by_vip(samples::service().vip6) == api);
    CHECK(snapshot->service_by_vip(IpAddress::v4(0xf0000002)) == nullptr);
    CHECK(snapshot->node("web-1")->zone == "eu-west-1/a");
    CHECK(snapshot->trust() == samples::trust_domain());
    CHECK(snapshot->index() == samples::resources().size());
    REQUIRE(api->policies.size() == 1);
    CHECK(api->policies[0] == samples::policy());
}

TEST_CASE("only instances that can take a connection are usable") {
    SnapshotBuilder builder;
    builder.apply(change(samples::service(), 1));
    builder.apply(change(node("dead", false), 1));
    builder.apply(change(node("live"), 1));
    Node unregistered = node("new");
    unregistered.tunnel = {};
    builder.apply(change(unregistered, 1));
    builder.apply(change(instance("live", 1), 1));
    builder.apply(change(instance("live", 2, Health::warning), 1));
    builder.apply(change(instance("live", 3, Health::critical), 1));
    Instance drained = instance("live", 4);
    drained.weight = 0;
    builder.apply(change(drained, 1));
    builder.apply(change(instance("dead", 1), 1));
    builder.apply(change(instance("new", 1), 1));
    builder.apply(change(instance("unknown", 1), 1));
    const SnapshotPtr snapshot = builder.build();
    const ServiceView* api = snapshot->service("api");
    REQUIRE(api != nullptr);
    CHECK(api->endpoints.size() == 7);
    std::vector<std::string> usable;
    for (const std::uint32_t at : api->usable) {
        CHECK(api->endpoints[at].usable());
        usable.push_back(api->endpoints[at].instance.key());
    }
    CHECK(usable == std::vector<std::string>{"live/api/1", "live/api/2"});
    CHECK(api->endpoints[0].node == "dead"); // key order
    CHECK(api->endpoints[1].tunnel == node("live").tunnel);
}

TEST_CASE("a service with instances on silent nodes only keeps those that were passing") {
    SnapshotBuilder builder;
    builder.apply(change(samples::service(), 1));
    for (const char* name : {"one", "two"}) builder.apply(change(node(name, false), 1));
    Node unregistered = node("new", false);
    unregistered.tunnel = {};
    builder.apply(change(unregistered, 1));
    Instance drained = instance("two", 4);
    drained.weight = 0;
    for (const Instance& each :
         {instance("one", 1), instance("one", 2, Health::critical),
          instance("two", 3, Health::warning), drained, instance("new", 5), instance("unknown", 6)})
        builder.apply(change(each, 1));
    const auto usable = [&builder] {
        const SnapshotPtr snapshot = builder.build();
        const ServiceView& api = *snapshot->service("api");
        std::vector<std::string> keys;
        for (const std::uint32_t at : api.usable) keys.push_back(api.endpoints[at].instance.key());
        return std::pair(keys, api.only_silent);
    };
    CHECK(usable() == std::pair(std::vector<std::string>{"one/api/1", "two/api/3"}, true));

    builder.apply(change(node("one"), 2)); // one of them is enough to leave the silent out
    CHECK(usable() == std::pair(std::vector<std::string>{"one/api/1"}, false));

    builder.apply(change(instance("one", 1, Health::critical), 3));
    CHECK(usable() == std::pair(std::vector<std::string>{"two/api/3"}, true));
    builder.apply(change(instance("two", 3, Health::critical), 4));
    CHECK(usable() == std::pair(std::vector<std::string>{}, false)); // failing is never an answer
}

TEST_CASE("a snapshot stays as it was while the builder goes on") {
    SnapshotBuilder builder = filled();
    const SnapshotPtr before = builder.build();
    builder.apply(deletion(samples::service()));
    builder.apply(deletion(samples::node()));
    builder.set_index(8);
    const SnapshotPtr after = builder.build();
    CHECK(before->service("api") != nullptr);
    CHECK(before->index() == samples::resources().size());
    CHECK(after->service("api") == nullptr); // its instances and policies have nowhere to go
    CHECK(after->service_by_vip(samples::service().vip4) == nullptr);
    CHECK(after->index() == 8);
}

TEST_CASE("a later change of a row replaces it") {
    SnapshotBuilder builder = filled();
    Service moved = samples::service();
    moved.vip4 = IpAddress::v4(0xf0000009);
    builder.apply(change(moved, 8));
    const SnapshotPtr snapshot = builder.build();
    CHECK(snapshot->services().size() == 1);
    CHECK(snapshot->service_by_vip(samples::service().vip4) == nullptr);
    CHECK(snapshot->service_by_vip(moved.vip4) == snapshot->service("api"));
}

TEST_CASE("rows() of a builder make the same snapshot again; tokens never enter") {
    const SnapshotBuilder builder = filled();
    const std::vector<Change> rows = builder.rows();
    CHECK(rows.size() == 7); // of 7: no join token, no operator token
    SnapshotBuilder again;
    for (const Change& row : rows) again.apply(row);
    again.set_index(builder.index());
    CHECK(again.build()->service("api")->endpoints.size() == 1);
    CHECK(again.rows().size() == rows.size());
    again.reset();
    CHECK(again.rows().empty());
    CHECK(again.index() == 0);
}

TEST_CASE("a change whose value is of another kind is ignored") {
    SnapshotBuilder builder;
    Change odd = change(samples::policy(), 1);
    odd.kind = Kind::service;
    builder.apply(odd);
    CHECK(builder.rows().empty());
}

TEST_CASE("nodes are found by when they joined, which their certificates tell") {
    SnapshotBuilder builder;
    const auto joined = [](std::string name, WallTime at) {
        Node made = node(std::move(name));
        made.joined_at = at;
        return made;
    };
    builder.apply(change(joined("a", 30), 1));
    builder.apply(change(joined("b", 10), 1));
    builder.apply(change(joined("c", 30), 1));
    const SnapshotPtr snapshot = builder.build();
    REQUIRE(snapshot->joined_at(10).size() == 1);
    CHECK(snapshot->nodes()[snapshot->joined_at(10)[0]].name == "b");
    CHECK(snapshot->joined_at(30).size() == 2);
    CHECK(snapshot->joined_at(20).empty());
    CHECK(snapshot->newest_join() == 30);
    builder.apply(deletion(joined("a", 30)));
    builder.apply(deletion(joined("c", 30)));
    CHECK(builder.build()->joined_at(30).empty());
    CHECK(builder.build()->newest_join() == 30); // it was heard of
}

TEST_CASE("instances on a node in quarantine are not usable") {
    SnapshotBuilder builder;
    builder.apply(change(samples::service(), 1));
    builder.apply(change(node("live"), 1));
    builder.apply(change(instance("live", 1), 1));
    const Quarantine quarantine{.subject_kind = IdentityKind::node, .subject = "live"};
    builder.apply(change(quarantine, 2));
    const SnapshotPtr cut_off = builder.build();
    CHECK(cut_off->service("api")->usable.empty());
    CHECK_FALSE(cut_off->service("api")->only_silent);
    REQUIRE(cut_off->quarantines().size() == 1);
    CHECK(cut_off->quarantines()[0] == quarantine);
    builder.apply(deletion(quarantine));
    CHECK(builder.build()->service("api")->usable.size() == 1);
}
