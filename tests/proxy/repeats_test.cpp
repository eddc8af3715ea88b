#include "proxy/repeats.h"

#include <doctest/doctest.h>

using namespace hawser::proxy;
using namespace std::chrono_literals;

namespace {

const Repeats::Time start{1h};
const Repeats::Line refusal{.event = "refused", .subject = "10.0.0.1", .reason = "no TLS"};

} // namespace

TEST_CASE("a line is written once in an interval, then told with how often it came") {
    Repeats repeats;
    CHECK(repeats.first(refusal, start));
    for (int i = 0; i < 500; ++i) CHECK_FALSE(repeats.first(refusal, start + 1s));
    CHECK(repeats.due(start + 9s).empty());
    const auto due = repeats.due(start + 10s);
    REQUIRE(due.size() == 1);
    CHECK(due[0].line == refusal);
    CHECK(due[0].times == 500);
    // It goes on: still one line per interval.
    CHECK_FALSE(repeats.first(refusal, start + 11s));
    CHECK(repeats.due(start + 20s).at(0).times == 1);
    // It stopped for a whole interval: the next is a first one again.
    CHECK(repeats.due(start + 30s).empty());
    CHECK(repeats.first(refusal, start + 31s));
}

TEST_CASE("who it is about and why make different lines") {
    Repeats repeats;
    CHECK(repeats.first(refusal, start));
    CHECK(repeats.first({.event = "refused", .subject = "10.0.0.2", .reason = "no TLS"}, start));
    CHECK(repeats.first({.event = "refused", .subject = "10.0.0.1", .reason = "expired"}, start));
    CHECK(repeats.first({.event = "ended", .subject = "10.0.0.1", .reason = "no TLS"}, start));
}

TEST_CASE("many subjects are one line, and little memory") {
    Repeats repeats;
    std::size_t written = 0;
    for (int i = 0; i < 100'000; ++i) {
        const Repeats::Line line{
            .event = "refused", .subject = std::to_string(i), .reason = std::to_string(i)};
        if (repeats.first(line, start)) ++written;
    }
    CHECK(written == Repeats::most_subjects + 1);
    const auto due = repeats.due(start + 10s);
    REQUIRE(due.size() == 1);
    CHECK(due[0].line == Repeats::Line{.event = "refused", .subject = "others", .reason = ""});
    CHECK(due[0].times == 100'000 - written);
    (void)repeats.due(start + 20s);
    CHECK(repeats.first({.event = "refused", .subject = "new", .reason = ""}, start + 21s));
}
