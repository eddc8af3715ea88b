// From a proposal to a committed entry: batching, durability first, order.
#include "raft/one_server.h"

namespace hawser::raft::test {

TEST_CASE("only a leader takes proposals") {
    OneServer server;
    CHECK(server.propose({"a"}).refused->code == ErrorCode::unavailable);
    server.step(Tick{});
    const Actions as_candidate = server.propose({"a"});
    CHECK(as_candidate.refused->code == ErrorCode::unavailable);
    CHECK_FALSE(as_candidate.accepted.has_value());
    CHECK_FALSE(as_candidate.persist.has_value());
}

TEST_CASE("a proposal is told its place, and is committed only after it is durable") {
    OneServer server;
    server.lead();
    const Actions proposed = server.propose({"a"});
    REQUIRE(proposed.accepted.has_value());
    CHECK(proposed.accepted->first_index == 3);
    CHECK(proposed.accepted->term == 2);
    CHECK(proposed.apply.empty());
    CHECK(server.core->commit_index() == 2);

    const Actions written = server.write_one();
    REQUIRE(written.apply.size() == 1);
    CHECK(written.apply[0].position() == Position{.index = 3, .term = 2});
    CHECK(*written.apply[0].data == "a");
}

TEST_CASE("proposals that come together share one write") {
    OneServer server;
    server.lead();
    const Actions actions = server.propose({"a", "b", "c"});
    CHECK(actions.accepted->first_index == 3);
    REQUIRE(actions.persist.has_value());
    REQUIRE(actions.persist->entries.size() == 3);
    CHECK(actions.persist->entries[2].index == 5);
    CHECK(server.write_one().apply.size() == 3);
}

TEST_CASE("an empty batch is nothing") {
    OneServer server;
    server.lead();
    const Actions actions = server.propose({});
    CHECK_FALSE(actions.accepted.has_value());
    CHECK_FALSE(actions.refused.has_value());
    CHECK_FALSE(actions.persist.has_value());
}

TEST_CASE("several writes may be under way; each commits its own entries, in order") {
    OneServer server;
    server.lead();
    server.propose({"a"});
    server.propose({"b", "c"});
    REQUIRE(server.writes.size() == 2);
    CHECK(server.writes[0].sequence < server.writes[1].sequence);
    CHECK(server.write_one().apply.size() == 1);
    CHECK(server.write_one().apply.size() == 2);
    CHECK(server.applied_commands() == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("one Persisted answers for all earlier writes") {
    OneServer server;
    server.lead();
    server.propose({"a"});
    server.propose({"b"});
    const std::uint64_t last = server.writes.back().sequence;
    for (const Persist& persist : server.writes) server.disk.write(persist);
    server.writes.clear();
    CHECK(server.step(Persisted{.sequence = last}).apply.size() == 2);
    // Told again, it changes nothing.
    CHECK(server.step(Persisted{.sequence = last}).apply.empty());
}

TEST_CASE("the term and vote go with every write") {
    OneServer server;
    server.lead();
    const Actions actions = server.propose({"a"});
    CHECK(actions.persist->hard_state == HardState{.term = 2, .vote = self});
}

TEST_CASE("commands may hold any bytes, none included") {
    OneServer server;
    server.lead();
    const std::string bytes("\0\xff\n", 3);
    server.propose({bytes, ""});
    server.write_all();
    CHECK(server.applied_commands() == std::vector<std::string>{bytes, ""});
}

TEST_CASE("the log forgets what the state machine keeps, and goes on") {
    OneServer server;
    server.lead();
    server.propose({"a", "b", "c"});
    server.write_all();
    const Actions actions = server.step(Compact{.index = 4});
    REQUIRE(actions.compact.has_value());
    CHECK(actions.compact->position == Position{.index = 4, .term = 2});
    CHECK(actions.compact->configuration.only_voter(self));
    CHECK(server.core->first_index() == 5);
    CHECK(server.disk.entries.size() == 1);
    CHECK_FALSE(server.step(Compact{.index = 4}).compact.has_value());
    CHECK_FALSE(server.step(Compact{.index = 2}).compact.has_value());

    server.propose({"d"});
    server.write_all();
    CHECK(server.applied_commands().back() == "d");
}

TEST_CASE("what is kept of the log is bounded in bytes too") {
    OneServer server({.trailing_entries = 1000, .trailing_bytes = 25});
    server.lead();
    server.propose({std::string(10, 'a'), std::string(10, 'b'), std::string(10, 'c')});
    server.propose({std::string(30, 'd'), "e"});
    server.write_all();
    CHECK(server.core->log_bytes() > 60);
    const Actions actions = server.step(Compact{.index = 5});
    REQUIRE(actions.compact.has_value());
    CHECK(actions.compact->position.index == 3); // "b" and "c" stay, and what is newer
    CHECK(server.core->log_bytes() == 51);
    CHECK(server.step(Compact{.index = 7}).compact->position.index == 6);
    CHECK(server.core->log_bytes() == 1);
}

TEST_CASE("what waits for the disks is bounded in bytes; a batch always fits") {
    OneServer server({.uncommitted_bytes = 20});
    server.lead();
    CHECK(server.propose({std::string(30, 'a')}).accepted.has_value());
    const Actions refused = server.propose({"b"});
    REQUIRE(refused.refused.has_value());
    CHECK(refused.refused->code == ErrorCode::resource_exhausted);
    CHECK_FALSE(refused.accepted.has_value());
    server.write_all();
    CHECK(server.propose({std::string(10, 'b')}).accepted.has_value());
    CHECK(server.propose({std::string(10, 'c')}).accepted.has_value());
    CHECK(server.propose({"d"}).refused.has_value());
}

TEST_CASE("a log compacted to its end restores, elects and goes on") {
    OneServer server;
    server.lead();
    server.propose({"a"});
    server.write_all();
    server.step(Compact{.index = 3});
    server.disk.applied = 3;
    server.restart();
    CHECK(server.core->last_index() == 3);
    server.lead();
    CHECK(server.core->term() == 3);
    REQUIRE(server.applied.size() == 1);
    CHECK(server.applied[0].position() == Position{.index = 4, .term = 3});
}

} // namespace hawser::raft::test
