// What a leader makes of the answers of the others.
#include "raft/one_of_three.h"

namespace hawser::raft::test {

namespace {

Propose one_command() {
    return {.commands = {make_payload("x")}};
}

// The second server has and knows everything up to `index`, as of the heartbeat `round`.
AppendReply has(Index index, std::uint64_t round) {
    return {.match = index, .received = index, .round = round};
}
AppendReply lacks(Index index, Index received, std::uint64_t round) {
    return {.match = received,
            .received = received,
            .round = round,
            .rejection = AppendRejection{.index = index, .hint = {.index = 1, .term = 1}}};
}

PeerStatus second_of(const OneOfThree& server) {
    return server.core->peers().front();
}

// Both others were sent a probe, in rounds 1 and 2; the second has answered its own.
OneOfThree led(Options options = {}) {
    OneOfThree server(options);
    server.lead();
    server.write();
    server.receive(second, 2, has(2, 1));
    REQUIRE(second_of(server).state == PeerStatus::State::replicate);
    REQUIRE(server.core->commit_index() == 2);
    return server;
}

} // namespace

TEST_CASE("an append that was lost is sent again, once, however often it is missed") {
    OneOfThree server = led();
    for (int i = 0; i < 3; ++i) server.step(one_command()); // entries 3, 4, 5; 3 is lost
    const Actions again = server.receive(second, 2, lacks(3, 2, 1));
    const auto sent = said<AppendRequest>(again, second);
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].previous.index == 2);
    CHECK(sent[0].entries.size() == 3);
    // The answer to the append of entry 5, which was under way as well.
    CHECK(said<AppendRequest>(server.receive(second, 2, lacks(4, 2, 1)), second).empty());
}

TEST_CASE("an append that was overtaken is not sent again when it has arrived since") {
    OneOfThree server = led();
    for (int i = 0; i < 2; ++i) server.step(one_command());
    server.receive(second, 2, AppendReply{.match = 2, .received = 4, .round = 1});
    CHECK(said<AppendRequest>(server.receive(second, 2, lacks(3, 2, 0)), second).empty());
    CHECK(second_of(server).state == PeerStatus::State::replicate);
}

TEST_CASE("a server that lost what it had confirmed gets it again") {
    OneOfThree server = led();
    for (int i = 0; i < 2; ++i) server.step(one_command()); // entries 3 and 4
    server.write();
    server.receive(second, 2, has(4, 1));
    REQUIRE(server.core->commit_index() == 4);
    // From before it confirmed them, and late.
    CHECK_FALSE(server.receive(second, 2, lacks(3, 2, 2)).refused.has_value());
    CHECK(second_of(server).match == 4); // and round 3 asks again
    server.now += Options{}.heartbeat;
    server.step(Tick{}); // round 4
    const Actions again = server.receive(second, 2, lacks(4, 1, 4));
    CHECK(again.refused.has_value());
    CHECK(second_of(server).match == 0);
    CHECK(second_of(server).lost_entry == 4);
    auto sent = said<AppendRequest>(again, second);
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].previous.index == 1);
    CHECK(sent[0].entries.size() == 3);
    const std::uint64_t round = sent[0].round;
    // What it had confirmed before, and comes late, counts no more: that disk has it no longer.
    for (std::uint64_t old = 1; old <= 4; ++old) {
        server.receive(second, 2, has(4, old));
        CHECK(second_of(server).match == 0);
    }
    server.receive(second, 2, has(4, round));
    CHECK(second_of(server).match == 4);
    CHECK(second_of(server).state == PeerStatus::State::replicate);
    CHECK(server.core->commit_index() == 4);
}

TEST_CASE("proposals wait for this server's disk too, not only for those of a majority") {
    OneOfThree server = led({.uncommitted_entries = 2});
    for (Index index = 3; index <= 4; ++index) {
        CHECK(server.step(one_command()).accepted.has_value());
        server.receive(second, 2, has(index, 1));
        server.receive(third, 2, has(index, 2));
        CHECK(server.core->commit_index() == index);
    }
    const Actions refused = server.step(one_command());
    REQUIRE(refused.refused.has_value());
    CHECK(refused.refused->code == ErrorCode::resource_exhausted);
    server.write();
    CHECK(server.step(one_command()).accepted.has_value());
}

TEST_CASE("an acknowledgement of what was never sent is refused") {
    OneOfThree server = led();
    CHECK(server.receive(second, 2, has(9, 1)).refused.has_value());
    CHECK(server.receive(second, 2, has(2, 99)).refused.has_value());
}

} // namespace hawser::raft::test
