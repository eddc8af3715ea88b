#include "audit/verifier.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "chain.h"

using namespace hawser;
using namespace hawser::audit;
using namespace hawser::audit::test;

namespace {

// What is wrong, after which line; empty: nothing.
struct Verdict {
    std::size_t line = 0;
    std::string what;
};
Verdict judge(const std::vector<std::string>& lines, Verifier verifier = Verifier()) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if (const auto wrong = verifier.take(lines[i])) return {.line = i + 1, .what = *wrong};
    }
    return {.line = lines.size(), .what = verifier.finish().value_or("")};
}

bool says(const Verdict& verdict, std::size_t line, std::string_view part) {
    CAPTURE(verdict.what);
    CHECK(verdict.line == line);
    CHECK(verdict.what.find(part) != std::string::npos);
    return verdict.line == line && verdict.what.contains(part);
}

} // namespace

TEST_CASE("a chain that nobody touched is whole, and ends where the registry says or later") {
    const Chain chain = make_chain(9);
    CHECK(judge(chain.lines).what.empty());
    CHECK(judge({}).what.empty());
    for (const Head& head : chain.heads) CHECK(judge(chain.lines, Verifier(head)).what.empty());
    Verifier verifier(chain.heads[4]);
    for (const std::string& line : chain.lines) CHECK_FALSE(verifier.take(line).has_value());
    CHECK(verifier.first() == 1);
    CHECK(verifier.head() == chain.heads.back());
    CHECK(verifier.compared() == 5);
    CHECK(verifier.server() == "s1");
}

TEST_CASE("no byte can be changed") {
    const Chain chain = make_chain(3);
    for (std::size_t at = 0; at < chain.lines[1].size(); ++at) {
        std::vector<std::string> lines = chain.lines;
        lines[1][at] = lines[1][at] == '7' ? '8' : '7';
        CAPTURE(lines[1]);
        const Verdict verdict = judge(lines);
        CHECK(verdict.line == 2);
        CHECK_FALSE(verdict.what.empty());
    }
}

TEST_CASE("no line can be removed, swapped, repeated or put in") {
    const Chain chain = make_chain(6);
    std::vector<std::string> lines = chain.lines;
    lines.erase(lines.begin() + 2);
    CHECK(says(judge(lines), 3, "record 4 follows record 2: those between are missing"));
    lines = chain.lines;
    std::swap(lines[2], lines[3]);
    CHECK(says(judge(lines), 3, "record 4 follows record 2"));
    lines = chain.lines;
    lines.insert(lines.begin() + 3, lines[2]);
    CHECK(says(judge(lines), 4, "it is in the wrong place"));
    lines = chain.lines;
    lines.insert(lines.begin() + 3, "");
    CHECK(says(judge(lines), 4, "not a record"));
    // Of another log, with the right number.
    lines = chain.lines;
    lines[3] = make_chain(6, "forged").lines[3];
    CHECK(says(judge(lines), 4, "follows another record"));
}

TEST_CASE("a log that was cut at its end is found by what the registry knows") {
    const Chain chain = make_chain(6);
    std::vector<std::string> lines = chain.lines;
    lines.resize(4);
    CHECK(judge(lines).what.empty()); // by itself it is a chain
    CHECK(says(judge(lines, Verifier(chain.heads[5])), 4,
               "the log ends with record 4, but the registry knows record 6"));
    CHECK(says(judge({}, Verifier(chain.heads[5])), 0, "ends with record 0"));
}

TEST_CASE("a log that was forged from its middle, every hash made anew, is found likewise") {
    const Chain chain = make_chain(6);
    Chain forged = make_chain(2);
    for (int i = 3; i <= 9; ++i) forged.add(make_entry(i + 100));
    CHECK(judge(forged.lines).what.empty());
    CHECK(says(judge(forged.lines, Verifier(chain.heads[5])), 6,
               "record 6 is not the one that the registry knows"));
}

TEST_CASE("a log whose beginning was dropped says so itself") {
    Chain chain = make_chain(5);
    chain.add({.time = 1, .server = "s1", .kind = std::string(kind_dropped), .of = 4});
    CHECK(judge(chain.lines).what.empty());
    std::vector<std::string> kept(chain.lines.begin() + 4, chain.lines.end());
    CHECK(judge(kept).what.empty());
    kept.erase(kept.begin());
    CHECK(says(judge(kept), 1, "nothing says that those before were dropped"));
    const std::vector<std::string> silent(chain.lines.begin() + 2, chain.lines.begin() + 5);
    CHECK(says(judge(silent), 3, "nothing says that those before were dropped"));
}

TEST_CASE("where another chain begins, what was before is known to be damaged") {
    Chain chain = make_chain(3);
    Chain second{.lines = {}, .heads = {}, .start = {.sequence = 10}};
    second.add({.time = 1,
                .server = "s1",
                .kind = std::string(kind_break),
                .detail = "record 2 was changed"});
    second.add(make_entry(12));
    chain.lines.insert(chain.lines.end(), second.lines.begin(), second.lines.end());
    CHECK(says(judge(chain.lines), 4, "another chain begins with record 11: record 2 was changed"));
    CHECK(says(judge(second.lines), 1, "another chain begins"));
    CHECK(judge(second.lines, Verifier::after_break({})).what.empty());
    // One that does not say that it is new is not accepted either.
    Chain silent{.lines = {}, .heads = {}, .start = {.sequence = 10}};
    silent.add(make_entry(11));
    CHECK(says(judge(silent.lines), 1, "nothing says that those before were dropped"));
}
