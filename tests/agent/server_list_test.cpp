#include "agent/server_list.h"

#include <doctest/doctest.h>

namespace hawser::agent {
namespace {

Endpoint endpoint(int last) {
    return {.address = IpAddress::v4(0x0a000000U + static_cast<std::uint32_t>(last)), .port = 7443};
}

TEST_CASE("the one that worked is first, the one that failed is followed by the next") {
    ServerList servers({endpoint(1), endpoint(2), endpoint(3)});
    CHECK(servers.in_turn() == std::vector{endpoint(1), endpoint(2), endpoint(3)});
    servers.failed(endpoint(1));
    CHECK(servers.in_turn() == std::vector{endpoint(2), endpoint(3), endpoint(1)});
    servers.failed(endpoint(3));
    CHECK(servers.in_turn().front() == endpoint(1));
    servers.worked(endpoint(3));
    CHECK(servers.in_turn().front() == endpoint(3));
    servers.failed(endpoint(9)); // unknown: nothing
    CHECK(servers.in_turn().front() == endpoint(3));
}

TEST_CASE("servers are learned, configured ones stay, nonsense is left out") {
    ServerList servers({endpoint(1)});
    servers.learn({"10.0.0.2:7443", "10.0.0.1:7443", "nonsense", "10.0.0.3:0", "10.0.0.2:7443"});
    CHECK(servers.all() == std::vector{endpoint(1), endpoint(2)});
    servers.worked(endpoint(2));
    servers.learn({"10.0.0.3:7443", "10.0.0.2:7443"});
    CHECK(servers.all() == std::vector{endpoint(1), endpoint(3), endpoint(2)});
    CHECK(servers.in_turn().front() == endpoint(2));
    servers.learn({}); // says nothing
    CHECK(servers.all().size() == 3);
}

TEST_CASE("no more servers are learned than any mesh has") {
    ServerList servers({endpoint(1)});
    std::vector<std::string> many;
    for (int i = 2; i < 250; ++i) many.push_back(endpoint(i).to_string());
    servers.learn(many);
    CHECK(servers.all().size() == 64);
}

TEST_CASE("without any there is none in turn") {
    CHECK(ServerList({}).in_turn().empty());
}

} // namespace
} // namespace hawser::agent
