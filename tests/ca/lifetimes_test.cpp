#include "ca/lifetimes.h"

#include <doctest/doctest.h>

#include <chrono>

namespace hawser::ca {
namespace {

using namespace std::chrono_literals;

TEST_CASE("what is left when a certificate is renewed is more than agents must survive") {
    CHECK(renew_after(24h, 0s) == Duration::zero()); // theirs to choose
    for (const Duration target : {Duration(1h), Duration(12h), Duration(21h + 36min)}) {
        const Duration after = renew_after(24h, target);
        CHECK(after > Duration::zero());
        CHECK(after <= 12h);
        CHECK(24h - after - target >= after); // as much time to try again
    }
    CHECK(renew_after(60s, 54s) == 3s);
}

TEST_CASE("a life that is shorter than the target is renewed as often as is sensible") {
    CHECK(renew_after(1h, 12h) == 3min);
    CHECK(renew_after(0s, 12h) > Duration::zero());
    CHECK(renew_after(-1h, 12h) > Duration::zero());
}

} // namespace
} // namespace hawser::ca
