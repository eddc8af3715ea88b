// Whom the leader takes for dead.
#include "server/lease_table.h"

#include <doctest/doctest.h>

namespace hawser::server::test {

namespace {

using namespace std::chrono_literals;

const LeaseTable::Time start{1h};

model::Node make_node(const std::string& name, bool alive) {
    model::Node node;
    node.name = name;
    node.alive = alive;
    return node;
}

// "web-1 dead", "web-2 back"
std::vector<std::string> judged(LeaseTable& table, const std::vector<model::Node>& nodes,
                                LeaseTable::Time now) {
    std::vector<const model::Node*> pointers;
    for (const model::Node& node : nodes) pointers.push_back(&node);
    std::vector<std::string> words;
    for (const auto& verdict : table.judge(pointers, now))
        words.push_back(verdict.node + (verdict.alive ? " back" : " dead"));
    return words;
}

using Words = std::vector<std::string>;

} // namespace

TEST_CASE("a new leader gives everybody a whole timeout, then judges by what it heard") {
    LeaseTable table(7s);
    table.begin(start);
    const std::vector nodes{make_node("web-1", true), make_node("web-2", true)};
    // Another server heard it long before this one led: that counts from when it led.
    table.sighted({.node = "web-1", .at = start - 1min, .registered = true});
    CHECK(judged(table, nodes, start + 7s).empty());
    CHECK(judged(table, nodes, start + 7001ms) == Words{"web-1 dead", "web-2 dead"});
    table.sighted({.node = "web-2", .at = start + 5s, .registered = true});
    CHECK(judged(table, nodes, start + 8s) == Words{"web-1 dead"});
    table.begin(start + 8s); // lost leadership, and has it again
    CHECK(judged(table, nodes, start + 15s).empty());
}

TEST_CASE("the newest word counts, in whatever order reports come") {
    LeaseTable table(7s);
    table.begin(start);
    table.sighted({.node = "web-1", .at = start + 10s, .enforced_index = 5, .registered = true});
    table.sighted({.node = "web-1", .at = start + 4s, .enforced_index = 3, .registered = false});
    CHECK(table.enforced_by("web-1") == 5);
    CHECK_FALSE(table.enforced_by("web-2").has_value());
    CHECK(judged(table, {make_node("web-1", true)}, start + 17s).empty());
}

TEST_CASE("a dead node is back once it is registered, not when it is merely connected") {
    LeaseTable table(7s);
    table.begin(start);
    const std::vector nodes{make_node("web-1", false)};
    CHECK(judged(table, nodes, start + 1s).empty());
    table.sighted({.node = "web-1", .at = start + 1s});
    CHECK(judged(table, nodes, start + 1s).empty());
    table.sighted({.node = "web-1", .at = start + 2s, .registered = true});
    CHECK(judged(table, nodes, start + 2s) == Words{"web-1 back"});
}

TEST_CASE("a word from before a node was out does not bring it back, one after it does") {
    LeaseTable table(7s);
    table.begin(start);
    table.sighted({.node = "web-1", .at = start + 1s, .registered = true});
    const std::vector out{make_node("web-1", false)};
    CHECK(judged(table, out, start + 2s).empty());
    table.sighted({.node = "web-1", .at = start + 2s, .registered = true});
    CHECK(judged(table, out, start + 3s).empty());
    table.sighted({.node = "web-1", .at = start + 4s, .registered = true});
    CHECK(judged(table, out, start + 4s) == Words{"web-1 back"});
}

TEST_CASE("who said that it stops is out at once") {
    LeaseTable table(7s);
    table.begin(start);
    table.sighted({.node = "web-1", .at = start + 1s, .registered = true, .left = true});
    CHECK(judged(table, {make_node("web-1", true)}, start + 1s) == Words{"web-1 dead"});
    CHECK(judged(table, {make_node("web-1", false)}, start + 2s).empty());
}

TEST_CASE("a late report that a node left does not drop the one that is connected here") {
    LeaseTable table(7s);
    table.begin(start);
    const std::vector nodes{make_node("web-1", true)};
    const LeaseTable::Sighting left{
        .node = "web-1", .at = start + 3s, .registered = true, .left = true};
    table.sighted({.node = "web-1", .at = start + 2s, .registered = true});
    table.reported(left, true);
    CHECK(judged(table, nodes, start + 3s).empty());
    table.reported(left, false);
    CHECK(judged(table, nodes, start + 3s) == Words{"web-1 dead"});
}

TEST_CASE("our own standstill is not the agents' silence") {
    LeaseTable table(7s);
    table.begin(start);
    table.sighted({.node = "web-1", .at = start + 1s, .registered = true});
    const std::vector nodes{make_node("web-1", true)};
    table.forgive(13s);
    CHECK(judged(table, nodes, start + 20s).empty());
    CHECK(judged(table, nodes, start + 22s) == Words{"web-1 dead"});
}

} // namespace hawser::server::test
