#include "log/limiter.h"

#include <doctest/doctest.h>

namespace hawser::log {

TEST_CASE("so many lines a second, and then how many were left out") {
    using namespace std::chrono_literals;
    const Limiter::Clock::time_point start{1h};
    Limiter limiter(3);
    for (int i = 0; i < 3; ++i) CHECK(limiter.admit(start) == 0);
    for (int i = 0; i < 5; ++i) CHECK_FALSE(limiter.admit(start + 999ms).has_value());
    CHECK(limiter.admit(start + 1s) == 5);
    CHECK(limiter.admit(start + 1s) == 0);
}

} // namespace hawser::log
