#include "agent/server_list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <map>

namespace hawser::agent {
namespace {

Endpoint endpoint(int last) {
    return {.address = IpAddress::v4(0x0a000000U + static_cast<std::uint32_t>(last)), .port = 7443};
}

std::string node(int number) {
    return std::format("web-{}", number);
}

TEST_CASE("the one that worked is first, the one that failed is followed by the next") {
    ServerList servers({endpoint(1), endpoint(2), endpoint(3)}, "web-1");
    const std::vector<Endpoint> order = servers.all();
    CHECK(servers.in_turn() == order);
    CHECK(servers.home() == order[0]);
    servers.failed(order[0]);
    CHECK(servers.in_turn() == std::vector{order[1], order[2], order[0]});
    servers.failed(order[2]);
    CHECK(servers.in_turn().front() == order[0]);
    servers.worked(order[2]);
    CHECK(servers.in_turn().front() == order[2]);
    CHECK(servers.home() == order[0]);
    servers.failed(endpoint(9)); // unknown: nothing
    CHECK(servers.in_turn().front() == order[2]);
}

TEST_CASE("agents spread over all servers, and those of one that goes over all others") {
    std::map<std::string, int> first, second;
    for (int i = 0; i < 3000; ++i) {
        ServerList servers({endpoint(1), endpoint(2), endpoint(3)}, node(i));
        const Endpoint home = servers.home();
        ++first[home.to_string()];
        servers.failed(home);
        ++second[home.to_string() + " then " + servers.in_turn().front().to_string()];
    }
    REQUIRE(first.size() == 3);
    for (const auto& [server, agents] : first) CHECK_MESSAGE(std::abs(agents - 1000) < 150, server);
    REQUIRE(second.size() == 6);
    for (const auto& [way, agents] : second) CHECK_MESSAGE(std::abs(agents - 500) < 100, way);
}

TEST_CASE("an agent's order is its own, whatever its configuration's is, and stays") {
    const ServerList servers({endpoint(1), endpoint(2), endpoint(3)}, "web-1");
    CHECK(ServerList({endpoint(3), endpoint(1), endpoint(2)}, "web-1").all() == servers.all());
    // A server more takes its share of the agents and moves no other.
    for (int i = 0; i < 100; ++i) {
        ServerList before({}, node(i)), after({}, node(i));
        before.learn({"10.0.0.1:7443", "10.0.0.2:7443"});
        after.learn({"10.0.0.1:7443", "10.0.0.2:7443", "10.0.0.3:7443"});
        CHECK((after.home() == before.home() || after.home() == endpoint(3)));
    }
}

TEST_CASE("servers are learned, configured ones stay, nonsense is left out") {
    ServerList servers({endpoint(1)}, "web-1");
    servers.learn({"10.0.0.2:7443", "nonsense", "10.0.0.3:0", "10.0.0.2:7443"});
    CHECK(servers.all() == std::vector{endpoint(2), endpoint(1)});
    CHECK(servers.in_turn().front() == endpoint(1)); // it worked before
    servers.worked(endpoint(2));
    servers.learn({"10.0.0.3:7443", "10.0.0.2:7443"});
    CHECK(servers.all().size() == 3);
    CHECK(servers.all().back() == endpoint(1)); // the mesh does not know it
    CHECK(servers.in_turn().front() == endpoint(2));
    servers.learn({}); // says nothing
    CHECK(servers.all().size() == 3);
    servers.learn({"10.0.0.1:7443"});
    CHECK(servers.all() == std::vector{endpoint(1)});
}

TEST_CASE("no more servers are learned than any mesh has") {
    ServerList servers({endpoint(1)}, "web-1");
    std::vector<std::string> many;
    for (int i = 2; i < 250; ++i) many.push_back(endpoint(i).to_string());
    servers.learn(many);
    CHECK(servers.all().size() == 65);
    CHECK(std::ranges::contains(servers.all(), endpoint(1)));
}

TEST_CASE("without any there is none in turn") {
    CHECK(ServerList({}, "web-1").in_turn().empty());
}

} // namespace
} // namespace hawser::agent
