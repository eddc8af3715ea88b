// Crashes at every point where something is or is not yet on disk, and disks that lie.
#include <algorithm>
#include <set>

#include "base/random.h"
#include "raft/one_server.h"

namespace hawser::raft::test {

TEST_CASE("an accepted command that was not written may be lost, one that was written is not") {
    OneServer server;
    server.lead();
    server.propose({"kept"});
    server.write_all();
    server.propose({"lost"});
    server.restart();
    server.lead();
    CHECK(server.applied_commands() == std::vector<std::string>{"kept"});
}

TEST_CASE("an entry written but not yet reported is committed by the next term's no-op") {
    OneServer server;
    server.lead();
    server.propose({"written"});
    server.disk.write(server.writes.front());
    server.restart();
    CHECK(server.core->commit_index() == 0);
    // Not before: an entry of an older term may not be counted by itself (3.6.2).
    server.step(Tick{});
    CHECK(server.write_one().apply.empty());
    const Actions actions = server.write_one();
    CHECK(actions.apply.size() == 4);
    CHECK(server.applied_commands() == std::vector<std::string>{"written"});
}

TEST_CASE("what the state machine holds is not applied again") {
    OneServer server;
    server.lead();
    server.propose({"a", "b"});
    server.write_all();
    server.disk.applied = 3;
    server.restart();
    CHECK(server.core->commit_index() == 3);
    server.lead();
    CHECK(server.applied_commands() == std::vector<std::string>{"b"});
}

TEST_CASE("a crash at every single step keeps every acknowledged command, once, in order") {
    // The run: elect (2 writes), then three proposals, each written and reported before the next.
    for (int crash_after = 0; crash_after <= 5; ++crash_after) {
        for (const bool report_lost : {false, true}) {
            CAPTURE(crash_after);
            CAPTURE(report_lost);
            OneServer server;
            std::vector<std::string> acknowledged;
            int writes = 0;
            int next = 0;
            server.step(Tick{});
            while (writes < crash_after) {
                if (server.writes.empty()) server.propose({std::to_string(next++)});
                if (++writes == crash_after && report_lost) {
                    server.disk.write(server.writes.front());
                    break;
                }
                for (const Entry& entry : server.write_one().apply)
                    if (entry.kind == EntryKind::command) acknowledged.push_back(*entry.data);
            }
            server.restart();
            server.lead();
            const std::vector<std::string> recovered = server.applied_commands();
            REQUIRE(recovered.size() >= acknowledged.size());
            CHECK(std::equal(acknowledged.begin(), acknowledged.end(), recovered.begin()));
            CHECK(recovered.size() <= static_cast<std::size_t>(next));
        }
    }
}

TEST_CASE("random runs with crashes: acknowledged commands survive, terms rise, order holds") {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        OneServer server;
        std::vector<std::string> acknowledged; // every command ever handed to the state machine
        Term last_term = 0;
        int next = 0;
        const auto note_applied = [&](const Actions& actions) {
            for (const Entry& entry : actions.apply) {
                // The state machine stores as it applies, now and then.
                if (random.below(3) == 0) server.disk.applied = entry.index;
                if (entry.kind != EntryKind::command) continue;
                if (!std::ranges::contains(acknowledged, *entry.data))
                    acknowledged.push_back(*entry.data);
            }
        };
        for (int step = 0; step < 60; ++step) {
            switch (random.below(6)) {
                case 0: note_applied(server.step(Tick{})); break;
                case 1:
                case 2: note_applied(server.propose({std::to_string(next++)})); break;
                case 3:
                case 4:
                    if (!server.writes.empty()) note_applied(server.write_one());
                    break;
                default:
                    if (random.below(4) == 0 && server.disk.applied > 1)
                        server.step(Compact{.index = server.disk.applied});
                    if (random.below(3) == 0) {
                        if (!server.writes.empty() && random.below(2) == 0)
                            server.disk.write(server.writes.front());
                        server.restart();
                    }
            }
            CHECK(server.core->term() >= last_term);
            last_term = std::max(last_term, server.disk.hard_state.term);
        }
        // Every acknowledged command is still there: in the state machine's storage or the log.
        server.restart();
        server.lead();
        std::set<std::string> log;
        for (const Entry& entry : server.disk.entries) log.insert(*entry.data);
        const Index base = server.disk.base.position.index;
        CHECK(server.disk.entries.size() + base == server.core->last_index());
        if (base == 0) {
            for (const std::string& command : acknowledged) CHECK(log.contains(command));
        }
    }
}

TEST_CASE("a disk that contradicts itself is refused, with what is wrong") {
    OneServer server;
    server.lead();
    server.propose({"a", "b"});
    server.write_all();
    Disk disk = server.disk;
    const auto refusal = [&] {
        const Result<Core> core = Core::restore(disk.restored());
        REQUIRE_FALSE(core.has_value());
        CHECK(core.error().code == ErrorCode::corrupt);
        return core.error().message;
    };

    SUBCASE("a gap") {
        disk.entries.erase(disk.entries.begin() + 1);
        CHECK(refusal() == "the log goes from entry 1 to entry 3");
    }
    SUBCASE("the beginning is gone") {
        disk.entries.erase(disk.entries.begin());
        CHECK(refusal() == "the log goes from entry 0 to entry 2");
    }
    SUBCASE("terms that fall") {
        disk.entries.back().term = 1;
        CHECK(refusal() == "entry 4 of the log has term 1 after term 2");
    }
    SUBCASE("a term of zero") {
        disk.entries.front().term = 0;
        CHECK(refusal() == "entry 1 of the log has term 0 after term 0");
    }
    SUBCASE("entries newer than the stored term") {
        disk.hard_state.term = 1;
        CHECK(refusal() == "the stored term 1 is older than that of entry 4, 2");
    }
    SUBCASE("a state machine ahead of the log") {
        disk.applied = 5;
        CHECK(refusal() == "the registry holds entry 5, but the log ends with entry 4");
    }
    SUBCASE("a state machine behind the log's beginning") {
        disk.compact({.position = {.index = 3, .term = 2}, .configuration = {.voters = {self}}});
        disk.applied = 2;
        CHECK(refusal() == "the registry ends with entry 2, but the log begins after entry 3");
    }
    SUBCASE("a configuration that is none") {
        disk.entries.front().data = make_payload("\1j");
        CHECK(refusal().starts_with("entry 1 of the log: "));
    }
}

TEST_CASE("a server without an id is refused") {
    OneServer server;
    Restored restored = server.disk.restored();
    restored.id = no_server;
    CHECK(Core::restore(restored).error().code == ErrorCode::corrupt);
}

} // namespace hawser::raft::test
