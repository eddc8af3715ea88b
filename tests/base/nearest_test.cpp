#include "base/nearest.h"

#include <doctest/doctest.h>

#include <string>

using namespace hawser;

TEST_CASE("the nearest known word") {
    constexpr std::string_view keys[] = {"port",    "name",    "interval",
                                         "timeout", "service", "listen"};
    CHECK(nearest("prot", keys) == "port");
    CHECK(nearest("ports", keys) == "port");
    CHECK(nearest("intervall", keys) == "interval");
    CHECK(nearest("intreval", keys) == "interval");
    CHECK(nearest("timout", keys) == "timeout");
    CHECK(nearest("sevrices", keys) == "service");
    CHECK(nearest("colour", keys).empty());
    CHECK(nearest("x", keys).empty());
    CHECK(nearest("", keys).empty());
    CHECK(nearest("port", {}).empty());
    CHECK(nearest(std::string(10'000, 'p'), keys).empty());
}

TEST_CASE("the first of equally near words wins") {
    constexpr std::string_view keys[] = {"cat", "car"};
    CHECK(nearest("cab", keys) == "cat");
}
