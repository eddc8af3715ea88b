#include "proxy/load.h"

#include <doctest/doctest.h>

#include "proxy/hosts.h"

using namespace hawser;
using namespace hawser::proxy;

TEST_CASE("a connection counts for its service and for the instance it last chose") {
    ServiceLoads loads(std::make_shared<HostCounts>());
    {
        LoadShare share(loads, "api");
        CHECK(share.service().open_connections == 1);
        CHECK(share.service().by_instance.empty());
        share.choose("one/api/80");
        LoadShare other(loads, "api");
        other.choose("one/api/80");
        CHECK(share.service().by_instance.at("one/api/80") == 2);
        share.choose("two/api/80");
        CHECK(share.service().by_instance.at("one/api/80") == 1);
        CHECK(share.service().by_instance.at("two/api/80") == 1);
        CHECK(share.service().open_connections == 2);
    }
    CHECK(loads.of("api").open_connections == 0);
    CHECK(loads.of("api").by_instance.empty());
}

TEST_CASE("workers count a service's connections together") {
    const auto host = std::make_shared<HostCounts>();
    ServiceLoads one(host), two(host);
    const LoadShare first(one, "api");
    CHECK(first.number() == 1);
    {
        const LoadShare second(two, "api");
        CHECK(second.number() == 2);
        CHECK(second.service().open_connections == 1);
    }
    CHECK(LoadShare(two, "api").number() == 2);
    CHECK(LoadShare(two, "db").number() == 1);
}

TEST_CASE("the counts of a service go with it, but not while it has connections") {
    const proxy::test::MeshRows rows;
    ServiceLoads loads(std::make_shared<HostCounts>());
    loads.of("api").turn = 7;
    loads.of("gone").turn = 7;
    std::optional<LoadShare> open(std::in_place, loads, "leaving");
    loads.forget_gone(*rows.snapshot());
    CHECK(loads.size() == 2);
    CHECK(loads.of("api").turn == 7);
    open.reset();
    loads.forget_gone(*rows.snapshot());
    CHECK(loads.size() == 1);
}
