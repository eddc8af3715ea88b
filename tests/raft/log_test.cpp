// The log's places, and configurations as bytes.
#include <doctest/doctest.h>

#include "raft/log.h"

namespace hawser::raft {

namespace {

Log three_entries() {
    Result<Log> log = Log::restore({}, {});
    REQUIRE(log.has_value());
    log->append(1, EntryKind::configuration, make_payload(encode(Configuration{.voters = {5}})));
    log->append(2, EntryKind::noop, make_payload({}));
    log->append(2, EntryKind::command, make_payload("x"));
    return std::move(*log);
}

} // namespace

TEST_CASE("an empty log ends at its base") {
    const Result<Log> log =
        Log::restore({.position = {.index = 7, .term = 3}, .configuration = {}}, {});
    REQUIRE(log.has_value());
    CHECK(log->last() == Position{.index = 7, .term = 3});
    CHECK(log->first_index() == 8);
    CHECK(log->term_at(7) == Term{3});
    CHECK_FALSE(log->term_at(6).has_value());
    CHECK_FALSE(log->term_at(8).has_value());
    CHECK(log->range(8, 7).empty());
}

TEST_CASE("entries have consecutive places") {
    const Log log = three_entries();
    CHECK(log.last() == Position{.index = 3, .term = 2});
    CHECK(log.term_at(0) == Term{0});
    CHECK(log.term_at(1) == Term{1});
    CHECK(log.term_at(3) == Term{2});
    const std::vector<Entry> range = log.range(2, 3);
    REQUIRE(range.size() == 2);
    CHECK(range[0].kind == EntryKind::noop);
    CHECK(*range[1].data == "x");
}

TEST_CASE("compaction moves the base and keeps the configuration in force there") {
    Log log = three_entries();
    log.compact(2);
    CHECK(log.base().position == Position{.index = 2, .term = 2});
    CHECK(log.base().configuration.only_voter(5));
    CHECK(log.first_index() == 3);
    CHECK_FALSE(log.term_at(1).has_value());
    CHECK(log.term_at(2) == Term{2});
    log.compact(1);
    CHECK(log.first_index() == 3);
    log.compact(3);
    CHECK(log.last() == Position{.index = 3, .term = 2});
    CHECK(log.append(3, EntryKind::noop, make_payload({})).index == 4);
}

TEST_CASE("the newest configuration of the log is in force, committed or not (4.1)") {
    std::vector<Entry> entries = three_entries().range(1, 3);
    entries.push_back({.index = 4,
                       .term = 2,
                       .kind = EntryKind::configuration,
                       .data = make_payload(encode(Configuration{.voters = {5, 6}}))});
    const Result<Log> log = Log::restore({}, entries);
    REQUIRE(log.has_value());
    CHECK(log->configuration().voters == std::vector<ServerId>{5, 6});
}

TEST_CASE("a configuration survives its bytes") {
    for (const Configuration& configuration :
         {Configuration{}, Configuration{.voters = {1}},
          Configuration{.voters = {1, 2, ~ServerId{0}}, .learners = {3}},
          Configuration{.voters = {0x0102030405060708}, .learners = {7, 9}}}) {
        const Result<Configuration> decoded = decode_configuration(encode(configuration));
        REQUIRE(decoded.has_value());
        CHECK(*decoded == configuration);
    }
}

TEST_CASE("bytes that are no configuration are refused") {
    const std::string good = encode(Configuration{.voters = {1, 2}});
    CHECK(decode_configuration("").error().code == ErrorCode::corrupt);
    for (std::size_t length = 0; length < good.size(); ++length)
        CHECK_FALSE(decode_configuration(good.substr(0, length)).has_value());
    CHECK_FALSE(decode_configuration(good + "x").has_value());
    CHECK_FALSE(decode_configuration(encode(Configuration{.voters = {2, 1}})).has_value());
    CHECK_FALSE(decode_configuration(encode(Configuration{.voters = {2, 2}})).has_value());
    CHECK_FALSE(decode_configuration(encode(Configuration{.voters = {0}})).has_value());
    CHECK_FALSE(decode_configuration(encode(Configuration{.voters = {1}, .learners = {1}})));
    CHECK_FALSE(decode_configuration(encode(Configuration{.voters = {1}, .learners = {3, 2}})));
    std::string newer = good;
    newer[0] = 3;
    CHECK(decode_configuration(newer).error().code == ErrorCode::unimplemented);
    std::string too_many(3 + 8 * 200, '\1');
    too_many[0] = 2;
    too_many[1] = static_cast<char>(200);
    too_many[2] = 0;
    CHECK(decode_configuration(too_many).error().code == ErrorCode::corrupt);
}

TEST_CASE("who votes") {
    const Configuration three{.voters = {1, 2, 3}};
    CHECK(three.votes(2));
    CHECK_FALSE(three.votes(4));
    CHECK_FALSE(three.only_voter(1));
    CHECK(Configuration{.voters = {1}}.only_voter(1));
    CHECK_FALSE(Configuration{.voters = {1}}.only_voter(2));
    CHECK_FALSE(Configuration{}.only_voter(no_server));
}

} // namespace hawser::raft
