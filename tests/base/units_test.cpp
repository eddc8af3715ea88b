#include "base/units.h"

#include <doctest/doctest.h>

#include "base/random.h"

using namespace hawser;

TEST_CASE("durations: what users write") {
    const std::pair<std::string_view, std::int64_t> cases[] = {
        {"0s", 0},
        {"250ms", 250},
        {"10s", 10'000},
        {"5m", 300'000},
        {"24h", 86'400'000},
        {"7d", 604'800'000},
        {"1h30m", 5'400'000},
        {"1m500ms", 60'500},
        {"1d2h3m4s5ms", 93'784'005},
    };
    for (const auto& [text, milliseconds] : cases) {
        CAPTURE(text);
        CHECK(parse_duration(text).value().count() == milliseconds);
    }
}

TEST_CASE("durations: what is refused") {
    for (const char* text : {"", "5", "s", "-5s", "+5s", "1.5s", "5 s", " 5s", "5s ", "5S", "5sec",
                             "5m5m", "5s1m", "1us", "0x5s", "99999999999999999999s", "36526d"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text).has_value());
    }
    CHECK(parse_duration("10").error().message ==
          "'10' is not a duration (write it like \"250ms\", \"10s\", \"1h30m\")");
    CHECK(parse_duration("9223372036854775807d").error().message ==
          "'9223372036854775807d' is longer than a century");
}

TEST_CASE("durations are read back as they were") {
    CHECK(format_duration(Duration{90'000}) == "1m30s");
    CHECK(format_duration(Duration{0}) == "0s");
    CHECK(format_duration(Duration{250}) == "250ms");
    CHECK(format_duration(Duration{86'400'000}) == "1d");
    CHECK(format_duration(Duration{-1500}) == "-1s500ms");
    Random random(2);
    for (int round = 0; round < 1000; ++round) {
        const Duration value{static_cast<std::int64_t>(random.next() >> (24 + random.below(40)))};
        CHECK(parse_duration(format_duration(value)).value() == value);
    }
}

TEST_CASE("sizes") {
    CHECK(parse_size("0").value() == 0);
    CHECK(parse_size("512").value() == 512);
    CHECK(parse_size("512B").value() == 512);
    CHECK(parse_size("64KiB").value() == 65'536);
    CHECK(parse_size("16MiB").value() == 16'777'216);
    CHECK(parse_size("1GiB").value() == 1'073'741'824);
    CHECK(parse_size("5kB").value() == 5000);
    CHECK(parse_size("5GB").value() == 5'000'000'000);
    for (const char* text :
         {"", "KiB", "-1", "1.5MiB", "1 KiB", "1K", "1kib", "99999999999999999999"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text).has_value());
    }
    CHECK(parse_size("18446744073709551615GiB").error().message ==
          "'18446744073709551615GiB' is too large a size");
}

TEST_CASE("times") {
    CHECK(format_time(0) == "1970-01-01T00:00:00Z");
    CHECK(format_time(1'767'323'045'999) == "2026-01-02T03:04:05Z");
    CHECK(format_time(951'782'400'000) == "2000-02-29T00:00:00Z");
    CHECK(format_time(INT64_MAX) == "9999-12-31T23:59:59Z");
    CHECK(format_time(-5) == "1970-01-01T00:00:00Z");
}
