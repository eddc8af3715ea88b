// How often one address may try.
#include "server/source_limiter.h"

#include <doctest/doctest.h>

namespace hawser::server::test {

namespace {

using namespace std::chrono_literals;

const SourceLimiter::Time start{};

IpAddress address(std::uint32_t number) {
    return IpAddress::v4(number);
}

} // namespace

TEST_CASE("a burst, and then one a second") {
    SourceLimiter limiter({.per_second = 1, .burst = 3, .sources = 10});
    for (int i = 0; i < 3; ++i) CHECK(limiter.take(address(1), start));
    CHECK_FALSE(limiter.take(address(1), start));
    CHECK(limiter.take(address(2), start));
    CHECK_FALSE(limiter.take(address(1), start + 900ms));
    CHECK(limiter.take(address(1), start + 1100ms));
    CHECK_FALSE(limiter.take(address(1), start + 1200ms));
    for (int i = 0; i < 3; ++i) CHECK(limiter.take(address(1), start + 1h));
    CHECK_FALSE(limiter.take(address(1), start + 1h));
}

TEST_CASE("it says when there is a try again") {
    SourceLimiter limiter({.per_second = 2, .burst = 1, .sources = 10});
    CHECK(limiter.wait(address(1), start) == 0ms);
    REQUIRE(limiter.take(address(1), start));
    CHECK(limiter.wait(address(1), start) == 500ms);
    CHECK(limiter.wait(address(1), start + 300ms) == 200ms);
    CHECK(limiter.wait(address(2), start) == 0ms);
    const auto later = start + limiter.wait(address(1), start);
    CHECK(limiter.wait(address(1), later) == 0ms);
    CHECK(limiter.take(address(1), later));
}

TEST_CASE("honest tries do not count") {
    SourceLimiter limiter({.per_second = 1, .burst = 2, .sources = 10});
    for (int i = 0; i < 100; ++i) {
        REQUIRE(limiter.take(address(1), start));
        limiter.give_back(address(1));
    }
    limiter.give_back(address(2)); // never seen
    // Giving back fills no more than there was.
    for (int i = 0; i < 10; ++i) limiter.give_back(address(1));
    CHECK(limiter.take(address(1), start));
    CHECK(limiter.take(address(1), start));
    CHECK_FALSE(limiter.take(address(1), start));
}

TEST_CASE("the addresses of one IPv6 /64 are one source") {
    SourceLimiter limiter({.per_second = 1, .burst = 2, .sources = 8});
    CHECK(limiter.take(*IpAddress::parse("fd00::1"), start));
    CHECK(limiter.take(*IpAddress::parse("fd00::2"), start));
    CHECK_FALSE(limiter.take(*IpAddress::parse("fd00::3"), start));
    CHECK(limiter.take(*IpAddress::parse("fd00:0:0:1::1"), start));
    limiter.give_back(*IpAddress::parse("fd00::9"));
    CHECK(limiter.take(*IpAddress::parse("fd00::3"), start));
}

TEST_CASE("new addresses do not make the exhausted ones forgotten") {
    SourceLimiter limiter({.per_second = 1, .burst = 2, .sources = 8});
    CHECK(limiter.take(address(1), start));
    CHECK(limiter.take(address(1), start));
    for (std::uint32_t other = 100; other < 200; ++other)
        CHECK(limiter.take(address(other), start));
    CHECK_FALSE(limiter.take(address(1), start));
}

} // namespace hawser::server::test
