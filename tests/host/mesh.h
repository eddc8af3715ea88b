// A small mesh for the DNS tests: services api (two instances, one on a node that died) and db
// (none), nodes web-1, web-2 and dead.
#pragma once

#include <memory>
#include <string>

#include "model/mesh_snapshot.h"

namespace hawser::host::test {

inline model::Change row(model::Resource resource) {
    return {.kind = model::kind_of(resource),
            .key = model::key_of(resource),
            .index = 7,
            .value = std::make_shared<const model::Resource>(std::move(resource))};
}

inline model::Node node(const std::string& name, const std::string& tunnel, bool alive) {
    model::Node made;
    made.name = name;
    made.tunnel = Endpoint::parse(tunnel).value();
    made.alive = alive;
    return made;
}

inline model::Instance instance(const std::string& node, std::uint16_t port, std::uint32_t weight) {
    model::Instance made;
    made.node = node;
    made.service = "api";
    made.port = port;
    made.weight = weight;
    made.health = model::Health::passing;
    return made;
}

inline model::SnapshotPtr mesh(int extra_instances = 0) {
    model::SnapshotBuilder builder;
    model::TrustDomain trust;
    trust.vip4 = Cidr::parse("240.0.0.0/8").value();
    trust.vip6 = Cidr::parse("fd68:6177::/64").value();
    builder.apply(row(trust));
    model::Service api;
    api.name = "api";
    api.vip4 = IpAddress::parse("240.0.0.1").value();
    api.vip6 = IpAddress::parse("fd68:6177::1").value();
    builder.apply(row(api));
    model::Service db;
    db.name = "db";
    db.vip4 = IpAddress::parse("240.0.0.2").value();
    builder.apply(row(db));
    builder.apply(row(node("web-1", "10.0.0.1:15008", true)));
    builder.apply(row(node("web-2", "[fd00::2]:15008", true)));
    builder.apply(row(node("dead", "10.0.0.9:15008", false)));
    builder.apply(row(instance("web-1", 8080, 3)));
    builder.apply(row(instance("web-2", 8081, 1)));
    builder.apply(row(instance("dead", 8082, 1)));
    for (int i = 0; i < extra_instances; ++i)
        builder.apply(row(instance("web-1", static_cast<std::uint16_t>(10'000 + i), 1)));
    builder.set_index(7);
    return builder.build();
}

} // namespace hawser::host::test
