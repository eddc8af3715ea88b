#include "host/interfaces.h"

#include <doctest/doctest.h>

#include "network_namespace.h"
#include "sockets.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;

TEST_CASE("the address to advertise is the one the kernel would use towards the server") {
    in_namespace([] {
        const Neighbour neighbour;
        ip("addr add 10.88.5.1/24 dev near");
        CHECK(source_address(endpoint("127.0.0.1:7443")).value().to_string() == "127.0.0.1");
        CHECK(source_address(endpoint("[::1]:7443")).value().to_string() == "::1");
        CHECK(source_address(endpoint("10.88.0.2:7443")).value().to_string() == "10.88.0.1");
        CHECK(source_address(endpoint("10.88.5.9:7443")).value().to_string() == "10.88.5.1");
        const auto unreachable = source_address(endpoint("192.0.2.1:7443"));
        REQUIRE_FALSE(unreachable.has_value());
        CHECK(unreachable.error().message.contains("192.0.2.1:7443"));
        CHECK(is_own_address(IpAddress::parse("10.88.5.1").value()));
        CHECK_FALSE(is_own_address(IpAddress::parse("10.88.5.2").value()));
        CHECK_FALSE(is_own_address(IpAddress::parse("0.0.0.0").value()));
        CHECK(ipv6_available());
    });
}
