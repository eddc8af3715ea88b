#include "host/routes.h"

#include <doctest/doctest.h>

#include "network_namespace.h"
#include "sockets.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;

namespace {

const Cidr vip4 = Cidr::parse("240.0.0.0/8").value();
const Cidr vip6 = Cidr::parse("fd68:6177::/64").value();

} // namespace

TEST_CASE("a VIP route gives connections the loopback address as source") {
    in_namespace([] {
        CHECK(dial(endpoint("240.0.0.1:80"), SOCK_DGRAM) == ENETUNREACH);
        REQUIRE(add_vip_route(vip4).has_value());
        REQUIRE(add_vip_route(vip6).has_value());
        const TestSocket v4(AF_INET, SOCK_DGRAM), v6(AF_INET6, SOCK_DGRAM);
        REQUIRE(v4.connect(endpoint("240.0.0.1:80")) == 0);
        REQUIRE(v6.connect(endpoint("[fd68:6177::1]:80")) == 0);
        CHECK(v4.local().address.to_string() == "127.0.0.1");
        CHECK(v6.local().address.to_string() == "::1");
    });
}

TEST_CASE("routes are added and removed once, and only ours") {
    in_namespace([] {
        ip("route add 250.0.0.0/8 dev lo");
        const std::string before = ip("route show") + ip("-6 route show");
        for (int i = 0; i < 2; ++i) {
            REQUIRE(add_vip_route(vip4).has_value());
            REQUIRE(add_vip_route(vip6).has_value());
        }
        auto present = vip_routes();
        REQUIRE(present.has_value());
        CHECK(*present == std::vector<Cidr>{vip4, vip6});
        CHECK(ip("route show proto 104").contains("240.0.0.0/8"));

        REQUIRE(remove_vip_route(vip4).has_value());
        REQUIRE(remove_vip_route(vip4).has_value());
        CHECK(vip_routes() == std::vector<Cidr>{vip6});
        REQUIRE(remove_vip_routes().has_value());
        CHECK(vip_routes() == std::vector<Cidr>{});
        CHECK(ip("route show") + ip("-6 route show") == before);
    });
}

TEST_CASE("a route that somebody else has for the range stays and is used") {
    in_namespace([] {
        ip("route add 240.0.0.0/8 dev lo");
        REQUIRE(add_vip_route(vip4).has_value());
        REQUIRE(remove_vip_route(vip4).has_value());
        CHECK(ip("route show").contains("240.0.0.0/8"));
    });
}
