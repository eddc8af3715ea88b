#include "base/ip.h"

#include <doctest/doctest.h>

#include <unordered_set>

#include "base/random.h"

using namespace hawser;

TEST_CASE("addresses: both families, one value each") {
    CHECK(IpAddress::parse("10.1.2.3").value() == IpAddress::v4(0x0a010203));
    CHECK(IpAddress::parse("::ffff:10.1.2.3").value() == IpAddress::v4(0x0a010203));
    CHECK(IpAddress::v4(0x0a010203).is_v4());
    CHECK(IpAddress::v4(0x0a010203).v4_host_order() == 0x0a010203);
    CHECK(IpAddress::v4(0xf0000001).to_string() == "240.0.0.1");
    CHECK(IpAddress::parse("FD68:6177:0::1").value().to_string() == "fd68:6177::1");
    CHECK_FALSE(IpAddress::parse("fd68::1").value().is_v4());
}

TEST_CASE("addresses: kinds") {
    CHECK(IpAddress{}.is_unspecified());
    CHECK(IpAddress::parse("0.0.0.0").value().is_unspecified());
    CHECK(IpAddress::parse("::").value().is_unspecified());
    CHECK_FALSE(IpAddress::parse("0.0.0.1").value().is_unspecified());
    CHECK(IpAddress::parse("127.8.8.8").value().is_loopback());
    CHECK(IpAddress::parse("::1").value().is_loopback());
    CHECK_FALSE(IpAddress::parse("::2").value().is_loopback());
    CHECK_FALSE(IpAddress::parse("10.0.0.127").value().is_loopback());
}

TEST_CASE("addresses: what is refused") {
    const std::string_view cases[] = {
        "",    "10.0.0",       "10.0.0.256", "10.0.0.01", "10.0.0.1 ",      "web-1",
        "::g", "fe80::1%eth0", "1.2.3.4.5",  ":::",       {"10.0.0.1\0", 9}};
    for (const std::string_view text : cases) {
        CAPTURE(text);
        CHECK_FALSE(IpAddress::parse(text).has_value());
    }
    CHECK_FALSE(IpAddress::parse(std::string(1000, '1')).has_value());
    CHECK(IpAddress::parse("a\nb").error().message == R"('a\x0ab' is not an IP address)");
}

TEST_CASE("endpoints") {
    const Endpoint v4 = Endpoint::parse("10.0.0.1:7443").value();
    CHECK(v4.address == IpAddress::v4(0x0a000001));
    CHECK(v4.port == 7443);
    CHECK(v4.to_string() == "10.0.0.1:7443");
    CHECK(Endpoint::parse("[fd00::1]:0").value().to_string() == "[fd00::1]:0");
    CHECK(Endpoint::parse("[::]:65535").value().port == 65535);
    for (const char* text : {"", "10.0.0.1", "10.0.0.1:", ":80", "10.0.0.1:65536", "10.0.0.1:-1",
                             "10.0.0.1:080", "fd00::1:80", "[fd00::1]", "[fd00::1]80",
                             "[10.0.0.1]:80", "[]:80", "web-1:80", "10.0.0.1:80 ", "10.0.0.1:8x"}) {
        CAPTURE(text);
        CHECK_FALSE(Endpoint::parse(text).has_value());
    }
    CHECK(Endpoint::parse("web:80").error().message ==
          "'web:80' is not ADDRESS:PORT (like \"10.0.0.1:7443\" or \"[fd00::1]:7443\")");
}

TEST_CASE("prefixes") {
    const Cidr vips = Cidr::parse("240.0.0.0/8").value();
    CHECK(vips.contains(IpAddress::parse("240.255.0.1").value()));
    CHECK_FALSE(vips.contains(IpAddress::parse("241.0.0.0").value()));
    CHECK_FALSE(vips.contains(IpAddress::parse("f000::").value()));
    CHECK(vips.to_string() == "240.0.0.0/8");
    const Cidr six = Cidr::parse("fd68:6177::/64").value();
    CHECK(six.contains(IpAddress::parse("fd68:6177::ffff:1").value()));
    CHECK_FALSE(six.contains(IpAddress::parse("fd68:6177:0:1::").value()));
    CHECK(Cidr::parse("0.0.0.0/0").value().contains(IpAddress::parse("9.9.9.9").value()));
    CHECK_FALSE(Cidr::parse("0.0.0.0/0").value().contains(IpAddress::parse("::1").value()));
    CHECK(Cidr::parse("::/0").value().contains(IpAddress::parse("::1").value()));
    CHECK(Cidr::parse("10.0.0.9/32").value().contains(IpAddress::parse("10.0.0.9").value()));
    const Cidr odd = Cidr::parse("172.16.0.0/12").value();
    CHECK(odd.contains(IpAddress::parse("172.31.255.255").value()));
    CHECK_FALSE(odd.contains(IpAddress::parse("172.32.0.0").value()));
    for (const char* text :
         {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "/8", "10.0.0.0/08", "x/8"}) {
        CAPTURE(text);
        CHECK_FALSE(Cidr::parse(text).has_value());
    }
    CHECK(Cidr::parse("10.1.0.0/8").error().message ==
          "'10.1.0.0/8' has host bits set; did you mean '10.0.0.0/8'?");
}

TEST_CASE("random addresses are read back, and their hashes spread") {
    Random random(3);
    std::unordered_set<std::size_t> hashes;
    for (int round = 0; round < 2000; ++round) {
        std::array<std::uint8_t, 16> bytes;
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.next() >> 7);
        const IpAddress six = IpAddress::v6(bytes);
        CHECK(IpAddress::parse(six.to_string()).value() == six);
        const Endpoint endpoint{IpAddress::v4(static_cast<std::uint32_t>(round)), 80};
        CHECK(Endpoint::parse(endpoint.to_string()).value() == endpoint);
        hashes.insert(std::hash<Endpoint>{}(endpoint));
    }
    CHECK(hashes.size() == 2000);
}
