#include "traffic/balancer.h"

#include <doctest/doctest.h>

#include <map>

#include "traffic/services.h"

using namespace hawser;
using namespace hawser::traffic;
using model::Balance;
using model::Health;

namespace {

std::map<std::uint32_t, int> draw(const model::ServiceView& service, int times,
                                  std::span<const EndpointLoad> loads = {}) {
    Random random(42);
    std::uint32_t turn = 0;
    std::map<std::uint32_t, int> counts;
    for (int i = 0; i < times; ++i) {
        const Choice choice = choose_endpoint(service, loads, random, turn);
        REQUIRE(choice.found);
        ++counts[choice.endpoint];
    }
    return counts;
}

} // namespace

TEST_CASE("critical, weightless and dead endpoints are never chosen") {
    for (const Balance balance : {Balance::least_request, Balance::round_robin, Balance::random}) {
        const auto service = test::service_with({{.health = Health::critical},
                                                 {.weight = 0},
                                                 {.alive = false},
                                                 {.health = Health::warning},
                                                 {}},
                                                balance);
        const auto counts = draw(service, 1000);
        CHECK(counts.size() == 2);
        CHECK(counts.contains(3));
        CHECK(counts.contains(4));
    }
}

TEST_CASE("no usable endpoint: nothing is chosen") {
    Random random(1);
    std::uint32_t turn = 0;
    CHECK_FALSE(choose_endpoint(test::service_with({}), {}, random, turn).found);
    const auto sick = test::service_with({{.health = Health::critical}});
    CHECK_FALSE(choose_endpoint(sick, {}, random, turn).found);
}

TEST_CASE("an endpoint to avoid is left out, and all of them leave none") {
    const auto service = test::service_with({{}, {}, {}});
    std::vector<EndpointLoad> loads(3);
    loads[1].avoid = true;
    const auto counts = draw(service, 300, loads);
    CHECK_FALSE(counts.contains(1));
    for (EndpointLoad& load : loads) load.avoid = true;
    Random random(1);
    std::uint32_t turn = 0;
    CHECK_FALSE(choose_endpoint(service, loads, random, turn).found);
}

TEST_CASE("round robin takes turns, by weight") {
    const auto counts =
        draw(test::service_with({{.weight = 3}, {.weight = 1}}, Balance::round_robin), 400);
    CHECK(counts.at(0) == 300);
    CHECK(counts.at(1) == 100);
}

TEST_CASE("random follows the weights") {
    const auto counts =
        draw(test::service_with({{.weight = 3}, {.weight = 1}}, Balance::random), 40'000);
    CHECK(counts.at(0) > 29'000);
    CHECK(counts.at(0) < 31'000);
}

TEST_CASE("least request keeps connections level, and prefers the idle one") {
    const auto service = test::service_with({{}, {}, {}, {}});
    Random random(7);
    std::uint32_t turn = 0;
    std::vector<EndpointLoad> loads(4);
    for (int i = 0; i < 4000; ++i)
        ++loads[choose_endpoint(service, loads, random, turn).endpoint].open_connections;
    for (const EndpointLoad& load : loads) {
        CHECK(load.open_connections > 980);
        CHECK(load.open_connections < 1020);
    }
    // One busy instance among idle ones is drawn only when both draws hit it: 1/16 of the time.
    loads.assign(4, {});
    loads[2].open_connections = 1000;
    const auto counts = draw(service, 16'000, loads);
    CHECK(counts.at(2) < 1'300);
    CHECK(counts.at(2) > 700);
}

TEST_CASE("least request respects weights") {
    const auto service = test::service_with({{.weight = 4}, {.weight = 1}});
    Random random(7);
    std::uint32_t turn = 0;
    std::vector<EndpointLoad> loads(2);
    for (int i = 0; i < 5000; ++i)
        ++loads[choose_endpoint(service, loads, random, turn).endpoint].open_connections;
    CHECK(loads[0].open_connections > 3'900);
    CHECK(loads[0].open_connections < 4'100);
}
