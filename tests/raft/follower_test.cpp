// What a follower does with its leader's log.
#include "raft/one_of_three.h"

namespace hawser::raft::test {

namespace {

// After entry 1, in term 2.
AppendRequest append(std::vector<Entry> entries, std::uint64_t round) {
    return {.previous = {.index = 1, .term = 1},
            .entries = std::move(entries),
            .commit = 0,
            .round = round};
}

} // namespace

TEST_CASE("entries are acknowledged when they are on the disk, not before") {
    OneOfThree server;
    const auto first =
        said<AppendReply>(server.receive(second, 2, append({command(2, 2)}, 1)), second);
    REQUIRE(first.size() == 1); // a new round
    CHECK(first[0].match == 0); // not even the term is
    CHECK(first[0].received == 2);
    const auto then = said<AppendReply>(server.write(), second);
    REQUIRE(then.size() == 1);
    CHECK(then[0].match == 2);
}

TEST_CASE("what is on the disk already is acknowledged at once, but only once") {
    OneOfThree server;
    server.receive(second, 2, append({command(2, 2)}, 1));
    server.write();
    // Another leader, which has it too, and does not know yet that it is here.
    server.receive(third, 3, append({}, 1));
    server.write();
    const Actions held = server.receive(third, 3, append({command(2, 2)}, 1));
    const auto replies = said<AppendReply>(held, third);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].match == 2);
    CHECK(server.receive(third, 3, append({command(2, 2)}, 1)).messages.empty());
}

TEST_CASE("a leader that contradicts its own entries is refused") {
    OneOfThree server;
    server.receive(second, 3, append({command(2, 2), command(3, 3)}, 1));
    AppendRequest contradicts = append({command(2, 3)}, 2);
    contradicts.commit = 3;
    const Actions actions = server.receive(second, 3, std::move(contradicts));
    REQUIRE(actions.refused.has_value());
    CHECK(actions.refused->code == ErrorCode::corrupt);
    CHECK(server.core->last_index() == 3);
    server.write();
    CHECK(server.core->commit_index() <= 3);
}

TEST_CASE("entries of an earlier leader give way to those of the present one") {
    OneOfThree server;
    server.receive(second, 2, append({command(2, 2), command(3, 2)}, 1));
    server.write();
    server.receive(third, 3, append({command(2, 3)}, 1));
    CHECK(server.core->last() == Position{.index = 2, .term = 3});
}

} // namespace hawser::raft::test
