#include <doctest/doctest.h>

#include "proxy/view.h"

using namespace hawser;
using namespace hawser::proxy;

namespace {

LocalService service(std::string name, std::uint16_t port, std::optional<uid_t> owner = {}) {
    return {.name = std::move(name), .port = port, .dial = {}, .owner = owner};
}

} // namespace

TEST_CASE("a user speaks as the one service it owns") {
    const LocalServices local({service("web", 0, 1000), service("api", 8080, 1001)});
    CHECK(local.owned_by(1000) == "web");
    CHECK(local.owned_by(1001) == "api");
    CHECK(local.owned_by(0).empty());
    CHECK(local.owned_by(4242).empty());
}

TEST_CASE("a user that owns two services speaks as neither; two instances of one are fine") {
    const LocalServices local({service("web", 0, 1000), service("api", 8080, 1000),
                               service("db", 5432, 1002), service("db", 5433, 1002)});
    CHECK(local.owned_by(1000).empty());
    CHECK(local.owned_by(1002) == "db");
}

TEST_CASE("a service without an owner may be spoken for by anybody on its own listener") {
    const LocalServices local({service("web", 0), service("api", 8080, 1001)});
    CHECK(local.may_speak_as(4242, "web"));
    CHECK(local.may_speak_as(1001, "api"));
    CHECK_FALSE(local.may_speak_as(4242, "api"));
    CHECK(local.owned_by(4242).empty());
}

TEST_CASE("instances are found by name and port; a caller without a port is none") {
    const LocalServices local({service("web", 0), service("api", 8080), service("api", 8081)});
    CHECK(local.find("api", 8081)->port == 8081);
    CHECK(local.find("api", 80) == nullptr);
    CHECK(local.find("web", 0) == nullptr);
    CHECK(local.find("db", 8080) == nullptr);
}
