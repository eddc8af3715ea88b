#include "base/random.h"

#include <doctest/doctest.h>

#include <array>

using namespace hawser;

TEST_CASE("xoshiro256** repeats itself from a seed") {
    Random a(42), b(42), c(43);
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t value = a.next();
        CHECK(value == b.next());
        CHECK(value != c.next());
    }
}

TEST_CASE("below() is in range and even; unit() is in [0, 1)") {
    Random random(7);
    std::array<int, 10> counts{};
    for (int i = 0; i < 100'000; ++i) ++counts[random.below(10)];
    for (const int count : counts) {
        CHECK(count > 9'500);
        CHECK(count < 10'500);
    }
    CHECK(random.below(1) == 0);
    double sum = 0;
    for (int i = 0; i < 10'000; ++i) {
        const double value = random.unit();
        CHECK((value >= 0 && value < 1));
        sum += value;
    }
    CHECK(sum > 4'800);
    CHECK(sum < 5'200);
}

TEST_CASE("secure randomness fills every byte") {
    std::array<std::uint8_t, 64> a{}, b{};
    fill_secure_random(a);
    fill_secure_random(b);
    CHECK(a != b);
    fill_secure_random({});
}
