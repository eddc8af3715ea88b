// Becoming leader, and what of it must be on disk before it counts.
#include "raft/one_server.h"

namespace hawser::raft::test {

TEST_CASE("a restored server is a follower that wants to be ticked") {
    OneServer server;
    CHECK(server.core->role() == Role::follower);
    CHECK(server.core->leader() == no_server);
    CHECK(server.core->wake_at().has_value());
}

TEST_CASE("the only voter campaigns at once: next term, own vote, nothing sent") {
    OneServer server;
    const Actions actions = server.step(Tick{});
    REQUIRE(actions.persist.has_value());
    CHECK(actions.persist->hard_state == HardState{.term = 2, .vote = self});
    CHECK(actions.persist->entries.empty());
    CHECK(actions.messages.empty());
    CHECK(actions.role->role == Role::candidate);
    CHECK_FALSE(server.core->wake_at().has_value());
}

TEST_CASE("the own vote counts only once it is durable") {
    OneServer server;
    server.step(Tick{});
    CHECK(server.core->role() == Role::candidate);
    const Actions more_time = server.step(Tick{});
    CHECK_FALSE(more_time.role.has_value());
    CHECK_FALSE(more_time.persist.has_value());

    const Actions actions = server.write_one();
    REQUIRE(actions.role.has_value());
    CHECK(actions.role->role == Role::leader);
    CHECK(actions.role->term == 2);
    CHECK(actions.role->leader == self);
}

TEST_CASE("a leader's term begins with a no-op (6.4)") {
    OneServer server;
    server.step(Tick{});
    const Actions actions = server.write_one();
    REQUIRE(actions.persist.has_value());
    REQUIRE(actions.persist->entries.size() == 1);
    CHECK(actions.persist->entries[0].kind == EntryKind::noop);
    CHECK(actions.persist->entries[0].position() == Position{.index = 2, .term = 2});
    CHECK(actions.apply.empty());
}

TEST_CASE("the no-op commits what earlier terms left, and itself, once it is durable") {
    OneServer server;
    server.step(Tick{});
    server.write_one();
    CHECK(server.core->commit_index() == 0);
    const Actions actions = server.write_one();
    REQUIRE(actions.apply.size() == 2);
    CHECK(actions.apply[0].kind == EntryKind::configuration);
    CHECK(actions.apply[1].kind == EntryKind::noop);
    CHECK(server.core->commit_index() == 2);
}

TEST_CASE("each restart is a new term: terms never repeat") {
    OneServer server;
    for (Term term = 2; term < 7; ++term) {
        server.lead();
        CHECK(server.core->term() == term);
        CHECK(server.disk.hard_state.vote == self);
        server.restart();
    }
}

TEST_CASE("a crash before the vote is on disk forgets the term it never had") {
    OneServer server;
    server.step(Tick{});
    server.restart();
    CHECK(server.core->term() == 1);
    server.lead();
    CHECK(server.core->term() == 2);
}

TEST_CASE("a crash between the vote and the no-op does not vote in that term again") {
    OneServer server;
    server.step(Tick{});
    server.write_one();
    server.restart();
    CHECK(server.core->term() == 2);
    CHECK(server.core->role() == Role::follower);
    CHECK(server.core->last_index() == 1);
    server.lead();
    CHECK(server.core->term() == 3);
    CHECK(server.applied.back().position() == Position{.index = 2, .term = 3});
}

TEST_CASE("a server without a configuration never elects itself") {
    Result<Core> core = Core::restore({.id = self});
    REQUIRE(core.has_value());
    CHECK_FALSE(core->wake_at().has_value());
    const Actions actions = core->step({.now = Instant(1), .what = Tick{}});
    CHECK_FALSE(actions.persist.has_value());
    CHECK(core->role() == Role::follower);
}

TEST_CASE("a server that the configuration does not name never elects itself") {
    Disk disk;
    disk.write(bootstrap({0x2002}));
    Result<Core> core = Core::restore(disk.restored());
    REQUIRE(core.has_value());
    const Actions actions = core->step({.now = Instant(1), .what = Tick{}});
    CHECK_FALSE(actions.persist.has_value());
}

TEST_CASE("a leader does not campaign again") {
    OneServer server;
    server.lead();
    const Actions actions = server.step(Tick{});
    CHECK_FALSE(actions.persist.has_value());
    CHECK_FALSE(actions.role.has_value());
}

TEST_CASE("a server that was removed, with whatever term, deposes nobody (4.2.3)") {
    OneServer server;
    server.lead();
    const Term term = server.core->term();
    const auto receive = [&](Message message) {
        message.from = 7;
        message.to = self;
        const Actions actions = server.step(Received{.message = std::move(message)});
        CHECK(actions.messages.empty());
        CHECK_FALSE(actions.persist.has_value());
        CHECK(server.core->role() == Role::leader);
        CHECK(server.core->term() == term);
        return actions.refused;
    };
    CHECK_FALSE(receive({.term = 1'000'000, .body = PreVoteRequest{.last = {9, 9}}}).has_value());
    CHECK_FALSE(receive({.term = 1'000'000, .body = VoteRequest{.last = {9, 9}}}).has_value());
    for (const MessageBody& reply : {MessageBody(PreVoteReply{}), MessageBody(VoteReply{}),
                                     MessageBody(AppendReply{}), MessageBody(SnapshotReply{})}) {
        CHECK(receive({.term = 1'000'000, .body = reply})->code == ErrorCode::permission_denied);
    }
}

} // namespace hawser::raft::test
