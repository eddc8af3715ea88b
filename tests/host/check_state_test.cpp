#include "host/check_state.h"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

#include "base/limits.h"

using namespace hawser;
using namespace hawser::host;
using model::Health;

namespace {

// Feeds outcomes (p, w, c) and gives the states in between.
std::string states(CheckThresholds thresholds, std::string_view outcomes) {
    CheckState state(thresholds);
    std::string seen;
    for (const char outcome : outcomes) {
        state.observe({.health = outcome == 'p'   ? Health::passing
                                 : outcome == 'w' ? Health::warning
                                                  : Health::critical,
                       .output = {}});
        seen += "pwc"[static_cast<int>(state.health())];
    }
    return seen;
}

} // namespace

TEST_CASE("a check is critical until its first outcome, which counts at once") {
    CheckState state({.critical_after = 3, .passing_after = 3});
    CHECK(state.health() == Health::critical);
    CHECK_FALSE(state.observed());
    CHECK(states({.critical_after = 3, .passing_after = 3}, "p") == "p");
    CHECK(states({.critical_after = 3, .passing_after = 3}, "c") == "c");
}

TEST_CASE("thresholds count consecutive outcomes only") {
    CHECK(states({}, "pcpwcw") == "pcpwcw");
    CHECK(states({.critical_after = 3, .passing_after = 1}, "pccpccc") == "ppppppc");
    CHECK(states({.critical_after = 1, .passing_after = 2}, "pcpcppp") == "pccccpp");
    CHECK(states({.critical_after = 2, .passing_after = 2}, "pccwpcwcc") == "ppccppwwc");
}

TEST_CASE("a warning takes effect at once, and helps to leave critical") {
    CHECK(states({.critical_after = 3, .passing_after = 3}, "pwp") == "pwp");
    CHECK(states({.critical_after = 1, .passing_after = 2}, "pcww") == "pccw");
}

TEST_CASE("long outputs are cut") {
    CheckState state({});
    state.observe({.health = Health::passing, .output = std::string(100'000, 'x')});
    CHECK(state.output().size() == limits::health_output_bytes + 0U);
}

TEST_CASE("an instance is as healthy as its worst check, and passing without any") {
    CHECK(worst({}) == Health::passing);
    CHECK(worst(std::vector{Health::passing, Health::warning}) == Health::warning);
    CHECK(worst(std::vector{Health::critical, Health::passing}) == Health::critical);
}
