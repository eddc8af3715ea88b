#include "audit/record.h"

#include <doctest/doctest.h>

#include "base/bytes.h"
#include "tls/x509.h"

using namespace hawser;
using namespace hawser::audit;

namespace {

Entry full_entry() {
    return {.time = 1'790'000'000'123,
            .server = "s1",
            .kind = "apply",
            .who = "operator:1f2e",
            .from = "10.0.0.9:53122",
            .method = "/hawser.v1.Api/Apply",
            .what = {"service api", "policy web"},
            .detail = R"(a "quoted" \ text)",
            .of = 3,
            .index = 42,
            .result = "done"};
}

} // namespace

TEST_CASE("a record is read back as it was sealed") {
    const Head previous{.sequence = 6, .hash = tls::sha256(as_bytes("before"))};
    for (const Entry& entry : {full_entry(), Entry{.time = 1, .kind = "x"}}) {
        const Sealed sealed = seal(previous, entry);
        const Result<Record> record = parse(sealed.line);
        REQUIRE(record.has_value());
        CHECK(record->entry == entry);
        CHECK(record->head == sealed.head);
        CHECK(record->head.sequence == 7);
        CHECK(record->previous == previous.hash);
        CHECK(hash_of(sealed.line) == sealed.head.hash);
    }
}

// Outside tools compute the same: the bytes before ,"hash" are what is hashed.
TEST_CASE("the form of a record is what it always was") {
    const Sealed sealed =
        seal({}, {.time = 5, .server = "s1", .kind = "apply", .what = {"a", "b"}});
    const std::string hashed = R"({"seq":1,"previous":")" + std::string(64, '0') +
                               R"(","time_ms":5,"server":"s1","kind":"apply","what":["a","b"])";
    CHECK(sealed.line ==
          hashed + R"(,"hash":")" + to_hex(as_bytes(tls::sha256(as_bytes(hashed)))) + "\"}");
}

TEST_CASE("what a user sent ends no line and no string, and is cut") {
    Entry entry = full_entry();
    entry.who = "a\n\"},\x01\xff";
    entry.detail = std::string(5'000, '\\');
    entry.what.assign(500, std::string(400, '"'));
    const Sealed sealed = seal({}, entry);
    CHECK(sealed.line.size() <= line_bytes);
    CHECK(sealed.line.find('\n') == std::string::npos);
    const Result<Record> record = parse(sealed.line);
    REQUIRE(record.has_value());
    CHECK(record->entry.who == R"(a\x0a"},\x01\xff)");
    CHECK(record->entry.what.size() == most_names);
    CHECK(record->entry.what.back() == "and 437 more");
}

TEST_CASE("nothing but a record is taken for one") {
    const std::string line = seal({}, full_entry()).line;
    CHECK_FALSE(parse("").has_value());
    CHECK_FALSE(parse("{}").has_value());
    CHECK_FALSE(parse(line + " ").has_value());
    CHECK_FALSE(parse(line.substr(1)).has_value());
    CHECK_FALSE(parse(line.substr(0, line.size() - 1)).has_value());
    for (const auto& [from, to] : {std::pair{R"("seq":1)", R"("seq":0)"},
                                   {R"("seq":1)", R"("seq":01)"},
                                   {R"("seq":1)", R"("seq":99999999999999999999)"},
                                   {R"("seq":1)", R"("seq":-1)"},
                                   {R"("of":3,"index":42)", R"("index":42,"of":3)"},
                                   {R"("kind")", R"("Kind")"},
                                   {R"("previous":"0)", R"("previous":"g)"},
                                   {R"("hash":")", R"("hash":"00)"}}) {
        std::string other = line;
        const std::size_t place = other.find(from);
        REQUIRE(place != std::string::npos);
        other.replace(place, std::string_view(from).size(), to);
        CAPTURE(other);
        CHECK_FALSE(parse(other).has_value());
    }
    // No prefix of a line does anything but fail.
    for (std::size_t length = 0; length < line.size(); ++length)
        CHECK_FALSE(parse(std::string_view(line).substr(0, length)).has_value());
}
