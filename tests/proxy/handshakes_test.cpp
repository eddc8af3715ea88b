#include "proxy/handshakes.h"

#include <doctest/doctest.h>

#include <format>
#include <list>
#include <vector>

using namespace hawser;
using namespace hawser::proxy;

namespace {

struct Visitors {
    Handshakes handshakes;
    std::vector<std::string> cut; // in order
    std::list<Handshakes::Place> places;

    void come(const std::string& address, int times = 1) {
        for (int i = 0; i < times; ++i)
            places.emplace_back(handshakes, IpAddress::parse(address).value(),
                                [this, address] { cut.push_back(address); });
    }
};

constexpr int most = static_cast<int>(Handshakes::most);

} // namespace

TEST_CASE("who has most handshakes loses the oldest when there are too many") {
    Visitors visitors;
    visitors.come("10.0.0.1"); // the oldest of all, but alone
    visitors.come("10.0.0.9", most - 1);
    CHECK(visitors.cut.empty());
    visitors.come("10.0.0.2", 2);
    CHECK(visitors.cut == std::vector<std::string>{"10.0.0.9", "10.0.0.9"});
    CHECK(visitors.handshakes.size() == Handshakes::most);
}

TEST_CASE("addresses of one IPv6 host are one source") {
    Visitors visitors;
    visitors.come("10.0.0.1", 2);
    for (int i = 0; i < most - 2; ++i) visitors.come(std::format("2001:db8::{:x}", i));
    visitors.come("10.0.0.2");
    CHECK(visitors.cut == std::vector<std::string>{"2001:db8::0"});
}

TEST_CASE("of equals the oldest leaves") {
    Visitors visitors;
    visitors.come("10.9.0.1");
    for (int i = 0; i < most; ++i) visitors.come(std::format("10.1.{}.{}", i / 250, i % 250));
    CHECK(visitors.cut == std::vector<std::string>{"10.9.0.1"});
}

TEST_CASE("a place is free again when its handshake is over, cut or not") {
    Visitors visitors;
    visitors.come("10.0.0.1", most);
    visitors.places.clear();
    CHECK(visitors.handshakes.size() == 0);
    visitors.come("10.0.0.1", most + 1);
    CHECK(visitors.cut.size() == 1);
    visitors.places.clear();
    CHECK(visitors.handshakes.size() == 0);
}
