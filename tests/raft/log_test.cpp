// The log's places, and configurations as bytes.
#include <doctest/doctest.h>

#include "raft/log.h"

namespace hawser::raft {

namespace {

Entry configuration_entry(Index index, Term term, const Configuration& configuration) {
    return {.index = index,
            .term = term,
            .kind = EntryKind::configuration,
            .data = make_payload(encode(configuration))};
}

Entry command(Index index, Term term, const std::string& data) {
    return {.index = index, .term = term, .kind = EntryKind::command, .data = make_payload(data)};
}

Log three_entries() {
    Log log;
    log.put(configuration_entry(1, 1, {.voters = {5}}));
    log.put({.index = 2, .term = 2, .kind = EntryKind::noop, .data = make_payload({})});
    log.put(command(3, 2, "x"));
    return log;
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

TEST_CASE("the bytes of the held entries are known") {
    Log log;
    CHECK(log.bytes_after(0) == 0);
    CHECK(log.place_before(0, 0) == 0);
    for (Index index = 1; index <= 5; ++index) log.put(command(index, 1, std::string(index, 'x')));
    CHECK(log.bytes_after(0) == 15);
    CHECK(log.bytes_after(3) == 9);
    CHECK(log.bytes_after(5) == 0);
    CHECK(log.place_before(5, 0) == 5);
    CHECK(log.place_before(5, 4) == 5);
    CHECK(log.place_before(5, 5) == 4);
    CHECK(log.place_before(5, 8) == 4);
    CHECK(log.place_before(5, 12) == 2);
    CHECK(log.place_before(5, 15) == 0);
    CHECK(log.place_before(3, 5) == 1);

    log.put(command(4, 2, "yy")); // in place of the last two
    CHECK(log.bytes_after(0) == 8);
    log.compact(2);
    CHECK(log.bytes_after(0) == 5);
    CHECK(log.bytes_after(3) == 2);
    CHECK(log.place_before(4, 4) == 3);
    CHECK(log.place_before(4, 100) == 2);
    log.reset({.position = {.index = 9, .term = 3}, .configuration = {}});
    CHECK(log.bytes_after(9) == 0);
    log.put(command(10, 3, "zzz"));
    CHECK(log.bytes_after(9) == 3);
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
    log.put(command(4, 3, "y"));
    CHECK(log.last() == Position{.index = 4, .term = 3});
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

TEST_CASE("an entry takes its place, and what was there and after it goes") {
    Log log = three_entries();
    log.put(configuration_entry(4, 2, {.voters = {5}, .learners = {6}}));
    log.put(configuration_entry(5, 2, {.voters = {5, 6}}));
    CHECK(log.configuration_index() == 5);
    CHECK(log.configuration_at(4).learns(6));
    CHECK(log.configuration_at(3).only_voter(5));
    log.put(command(4, 3, "z"));
    CHECK(log.last() == Position{.index = 4, .term = 3});
    CHECK(log.configuration().only_voter(5));
    CHECK(log.configuration_index() == 1);
}

TEST_CASE("a log begins anew after a snapshot") {
    Log log = three_entries();
    log.reset({.position = {.index = 9, .term = 4}, .configuration = {.voters = {5, 6}}});
    CHECK(log.first_index() == 10);
    CHECK(log.last() == Position{.index = 9, .term = 4});
    CHECK(log.configuration().votes(6));
    log.put(command(10, 4, "a"));
    CHECK(log.configuration_index() == 9);
    CHECK(log.last().index == 10);
}

TEST_CASE("a slice is bounded by number and by bytes, but never empty") {
    Log log;
    for (Index index = 1; index <= 10; ++index) log.put(command(index, 1, std::string(10, 'x')));
    CHECK(log.slice(1, 4, 1000).size() == 4);
    CHECK(log.slice(1, 100, 35).size() == 3);
    CHECK(log.slice(1, 100, 30).size() == 3);
    CHECK(log.slice(1, 100, 1).size() == 1);
    CHECK(log.slice(9, 100, 1000).size() == 2);
    CHECK(log.slice(11, 100, 1000).empty());
}

TEST_CASE("where another log may agree: the last place that is not later, of no later term") {
    Log log;
    for (const Term term : {1, 1, 4, 4, 5, 5, 6}) log.put(command(log.last().index + 1, term, ""));
    const auto place = [&](Index index, Term term) {
        return log.last_before({.index = index, .term = term});
    };
    CHECK(place(99, 9) == Position{.index = 7, .term = 6});
    CHECK(place(5, 9) == Position{.index = 5, .term = 5});
    CHECK(place(5, 4) == Position{.index = 4, .term = 4});
    CHECK(place(99, 3) == Position{.index = 2, .term = 1});
    CHECK(place(0, 0) == Position{});
    log.compact(4);
    CHECK(place(99, 5) == Position{.index = 6, .term = 5});
    CHECK(place(99, 3) == Position{.index = 4, .term = 4}); // all it can tell: the base
    CHECK(place(2, 1) == Position{.index = 4, .term = 4});
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
