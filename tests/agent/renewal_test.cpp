#include "agent/renewal.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "agent/backoff.h"

namespace hawser::agent {
namespace {

using namespace std::chrono_literals;

constexpr WallTime minute = 60'000;

TEST_CASE("a certificate is renewed at half its life, ten percent around it") {
    Random random(7);
    const WallTime issued = 1'000'000'000, life = 24 * 60 * minute;
    WallTime least = issued + life, most = 0;
    for (int i = 0; i < 1000; ++i) {
        const WallTime at =
            renewal_time(issued - 5 * minute, issued + life, Duration::zero(), random);
        least = std::min(least, at);
        most = std::max(most, at);
    }
    CHECK(least >= issued + life * 45 / 100);
    CHECK(most <= issued + life * 55 / 100);
    CHECK(most - least > life * 8 / 100); // the jitter is there
}

TEST_CASE("a certificate is renewed when the servers ask for it, or a little earlier") {
    Random random(7);
    const WallTime issued = 1'000'000'000, life = 24 * 60 * minute;
    const Duration asked(6 * 60 * minute);
    WallTime least = issued + life, most = 0;
    for (int i = 0; i < 1000; ++i) {
        const WallTime at = renewal_time(issued - 5 * minute, issued + life, asked, random);
        least = std::min(least, at);
        most = std::max(most, at);
    }
    CHECK(least >= issued + asked.count() * 80 / 100);
    CHECK(most <= issued + asked.count()); // what is left is promised
    CHECK(most - least > asked.count() * 15 / 100);
    // Of a life that is shorter than they think, half all the same.
    CHECK(renewal_time(issued, issued + minute, asked, random) <= issued + minute / 2);
}

TEST_CASE("short lives are renewed within them") {
    Random random(7);
    const WallTime issued = 1'000'000'000;
    for (const WallTime life : {WallTime{1'000}, WallTime{5'000}, 2 * minute}) {
        const WallTime at =
            renewal_time(issued - 5 * minute, issued + life, Duration::zero(), random);
        CHECK(at > issued);
        CHECK(at < issued + life);
    }
    // Issued in full within the skew: its own beginning counts.
    const WallTime at = renewal_time(issued, issued + minute, Duration::zero(), random);
    CHECK(at > issued);
    CHECK(at < issued + minute);
    // Nonsense doesn't overflow: it is due.
    CHECK(renewal_time(issued, issued - minute, Duration::zero(), random) <= issued);
}

TEST_CASE("pauses double up to the cap, jittered, and start over") {
    Random random(3);
    Backoff backoff(250ms, 5s);
    std::chrono::milliseconds step = 250ms;
    for (int i = 0; i < 20; ++i) {
        const auto pause = backoff.next(random);
        CHECK(pause >= step / 2);
        CHECK(pause <= step);
        step = std::min<std::chrono::milliseconds>(step * 2, 5s);
    }
    backoff.reset();
    CHECK(backoff.next(random) <= 250ms);
}

} // namespace
} // namespace hawser::agent
