// Where others are told to look for servers.
#include "server/server_addresses.h"

#include <doctest/doctest.h>

namespace hawser::server::test {

namespace {

void put(registry::Tables& tables, std::uint64_t id, const std::string& name,
         std::vector<Endpoint> addresses) {
    model::Server server{.id = id, .name = name, .addresses = std::move(addresses), .level = 1};
    tables.carry_out({.kind = model::Kind::server,
                      .key = name,
                      .index = id,
                      .value = std::make_shared<const model::Resource>(std::move(server))});
}

Endpoint endpoint(const char* text) {
    return *Endpoint::parse(text);
}

} // namespace

TEST_CASE("the one that is asked first, then the others, nobody twice") {
    registry::Tables tables;
    const Endpoint own = endpoint("10.0.0.2:7443");
    CHECK(addresses_of_servers(tables, {own}) == std::vector<Endpoint>{own});
    CHECK(addresses_of_servers(tables, {}).empty());
    put(tables, 1, "s1", {endpoint("10.0.0.1:7443"), endpoint("[fd00::1]:7443")});
    put(tables, 2, "s2", {own});
    put(tables, 3, "s3", {endpoint("10.0.0.3:7443")});
    CHECK(addresses_of_servers(tables, {own}) ==
          std::vector<Endpoint>{own, endpoint("10.0.0.1:7443"), endpoint("[fd00::1]:7443"),
                                endpoint("10.0.0.3:7443")});
}

} // namespace hawser::server::test
