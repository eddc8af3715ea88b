// Virtual addresses: stable, distinct, and not given to another service soon after they were freed.
#include <set>

#include "registry/mesh.h"

namespace hawser::registry::test {

namespace {

model::ApplyResources one(const std::string& name) {
    return {.services = {make_service(name)}, .policies = {}};
}
model::DeleteResource remove(const std::string& name) {
    return {.kind = model::Kind::service, .name = name};
}
std::string vip4(Mesh& mesh, const std::string& name) {
    return mesh.get<model::Service>(name).vip4.to_string();
}
std::string vip6(Mesh& mesh, const std::string& name) {
    return mesh.get<model::Service>(name).vip6.to_string();
}

std::optional<IpAddress> allocate(const std::string& range, std::uint64_t& cursor,
                                  const std::set<std::string>& taken) {
    return allocate_vip(*Cidr::parse(range), cursor, taken.size(), [&](const IpAddress& address) {
        return taken.contains(address.to_string());
    });
}

} // namespace

TEST_CASE("addresses come in order, and are the service's for life") {
    Mesh mesh;
    mesh.done(one("a"));
    mesh.done(one("b"));
    CHECK(vip4(mesh, "a") == "240.0.0.1");
    CHECK(vip6(mesh, "a") == "fd68:6177::1");
    CHECK(vip4(mesh, "b") == "240.0.0.2");
    model::Service changed = make_service("a");
    changed.protocol = model::Protocol::grpc;
    changed.vip4 = *IpAddress::parse("240.9.9.9"); // from a file: ignored
    mesh.done(model::ApplyResources{.services = {changed}, .policies = {}});
    CHECK(vip4(mesh, "a") == "240.0.0.1");
}

TEST_CASE("one apply gives each service its own") {
    Mesh mesh;
    mesh.done(model::ApplyResources{
        .services = {make_service("a"), make_service("b"), make_service("c")}, .policies = {}});
    const std::set<std::string> addresses{vip4(mesh, "a"), vip4(mesh, "b"), vip4(mesh, "c")};
    CHECK(addresses.size() == 3);
}

TEST_CASE("a freed address is not the next to be given, also after a restart") {
    Mesh mesh;
    mesh.done(one("a"));
    mesh.done(one("b"));
    mesh.done(remove("b"));
    mesh.done(one("c"));
    CHECK(vip4(mesh, "c") == "240.0.0.3");
    mesh.done(remove("c"));
    Result<Registry> restored = Registry::restore(mesh.registry.rows(), mesh.registry.meta());
    REQUIRE(restored.has_value());
    mesh.registry = std::move(*restored);
    mesh.done(one("b"));
    CHECK(vip4(mesh, "b") == "240.0.0.4");
    CHECK(vip6(mesh, "b") == "fd68:6177::4");
}

TEST_CASE("an exhausted range wraps to what is free, and then refuses") {
    Mesh mesh(make_domain("10.1.2.0/24"));
    const auto name = [](int i) { return "s" + std::to_string(i); };
    for (int i = 1; i <= 254; ++i) mesh.done(one(name(i)));
    CHECK(vip4(mesh, "s254") == "10.1.2.254");
    const Error error = mesh.refused(one("more"));
    CHECK(error.code == ErrorCode::resource_exhausted);
    CHECK(error.message.find("10.1.2.0/24") != std::string::npos);

    mesh.done(remove("s7"));
    mesh.done(remove("s100"));
    mesh.done(one("x"));
    CHECK(vip4(mesh, "x") == "10.1.2.7");
    // Two of one apply do not get the same when they wrap.
    mesh.done(remove("s50"));
    mesh.done(
        model::ApplyResources{.services = {make_service("y"), make_service("z")}, .policies = {}});
    CHECK(vip4(mesh, "y") == "10.1.2.50");
    CHECK(vip4(mesh, "z") == "10.1.2.100");
    CHECK(mesh.refused(one("more")).code == ErrorCode::resource_exhausted);
}

TEST_CASE("a refused command gives no address away") {
    Mesh mesh;
    model::Service invalid = make_service("bad");
    invalid.max_connections = 0;
    mesh.refused(model::ApplyResources{.services = {make_service("a"), invalid}, .policies = {}});
    mesh.done(one("b"));
    CHECK(vip4(mesh, "b") == "240.0.0.1");
}

TEST_CASE("the ends of a range are never given") {
    std::uint64_t cursor = 1;
    CHECK(allocate("10.0.0.0/30", cursor, {})->to_string() == "10.0.0.1");
    CHECK(allocate("10.0.0.0/30", cursor, {"10.0.0.1"})->to_string() == "10.0.0.2");
    CHECK_FALSE(allocate("10.0.0.0/30", cursor, {"10.0.0.1", "10.0.0.2"}).has_value());
    CHECK(allocate("10.0.0.0/30", cursor, {"10.0.0.2"})->to_string() == "10.0.0.1");
    cursor = 1;
    CHECK_FALSE(allocate("10.0.0.0/31", cursor, {}).has_value());
    CHECK_FALSE(allocate("10.0.0.0/32", cursor, {}).has_value());
}

TEST_CASE("IPv6 ranges of every length") {
    std::uint64_t cursor = 0x1'0000'0001;
    CHECK(allocate("fd00::/16", cursor, {})->to_string() == "fd00::1:0:1");
    cursor = 0xffff;
    CHECK(allocate("fd00::/112", cursor, {})->to_string() == "fd00::ffff");
    CHECK(allocate("fd00::/112", cursor, {})->to_string() == "fd00::1");
    cursor = ~std::uint64_t{0};
    CHECK(allocate("fd00::/64", cursor, {})->to_string() == "fd00::1");
    cursor = 0;
    CHECK(allocate("fd00::/64", cursor, {})->to_string() == "fd00::1");
}

} // namespace hawser::registry::test
