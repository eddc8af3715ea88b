// What followers of the registry are told.
#include "server/watch_hub.h"

#include <doctest/doctest.h>

#include "server/loop_runner.h"

namespace hawser::server::test {

namespace {

model::Change row(const std::string& key, std::uint64_t index,
                  model::Kind kind = model::Kind::service) {
    model::Service service;
    service.name = key;
    return {.kind = kind,
            .key = key,
            .index = index,
            .value = std::make_shared<const model::Resource>(service)};
}

using Lines = std::vector<std::string>;

std::optional<Lines> since(const WatchHub& hub, std::uint64_t have) {
    const auto changes = hub.since(have);
    if (!changes) return std::nullopt;
    Lines lines;
    for (const model::Change& change : *changes) {
        lines.push_back(change.key + "@" + std::to_string(change.index));
    }
    return lines;
}

} // namespace

TEST_CASE("a follower gets what came after its index, once a row") {
    WatchHub hub(10);
    CHECK(since(hub, 10) == Lines{});
    hub.publish(11, {row("a", 11), row("b", 11)});
    hub.publish(13, {row("a", 13)});
    CHECK(hub.index() == 13);
    CHECK(since(hub, 10) == Lines{"b@11", "a@13"});
    CHECK(since(hub, 11) == Lines{"a@13"});
    CHECK(since(hub, 12) == Lines{"a@13"});
    CHECK(since(hub, 13) == Lines{});
}

TEST_CASE("rows of different kinds are different rows") {
    WatchHub hub(0);
    hub.publish(1, {row("a", 1), row("a", 1, model::Kind::policy)});
    CHECK(since(hub, 0) == Lines{"a@1", "a@1"});
}

TEST_CASE("each change by itself, whole indexes at a time") {
    WatchHub hub(10, 6);
    hub.publish(11, {row("a", 11), row("b", 11), row("c", 11)});
    hub.publish(12, {row("t", 12, model::Kind::join_token)});
    hub.publish(13, {row("a", 13)});
    hub.publish(14, {row("a", 14), row("b", 14)});
    const auto keys = [&](std::uint64_t have, std::size_t most) {
        const auto next = hub.each_since(have, most);
        REQUIRE(next.has_value());
        Lines lines;
        for (const model::Change& change : next->changes) {
            lines.push_back(change.key + "@" + std::to_string(change.index));
        }
        lines.push_back("to " + std::to_string(next->index));
        return lines;
    };
    CHECK(keys(10, 100) == Lines{"a@11", "b@11", "c@11", "a@13", "a@14", "b@14", "to 14"});
    CHECK(keys(10, 1) == Lines{"a@11", "b@11", "c@11", "to 11"});
    CHECK(keys(10, 4) == Lines{"a@11", "b@11", "c@11", "a@13", "to 13"});
    CHECK(keys(11, 1) == Lines{"a@13", "to 13"});
    CHECK(keys(14, 1) == Lines{"to 14"});
    CHECK_FALSE(hub.each_since(15, 1).has_value());
    hub.publish(15, {row("d", 15)}); // one too many: all of 11 goes
    CHECK_FALSE(hub.each_since(10, 1).has_value());
    CHECK(keys(11, 1) == Lines{"a@13", "to 13"});
}

TEST_CASE("who is before the beginning, or ahead of it all, starts over") {
    WatchHub hub(10);
    CHECK_FALSE(since(hub, 9).has_value());
    CHECK_FALSE(since(hub, 0).has_value());
    CHECK_FALSE(since(hub, 11).has_value());
}

TEST_CASE("tokens are not for agents, but their index is") {
    WatchHub hub(0);
    hub.publish(1,
                {row("t", 1, model::Kind::join_token), row("o", 1, model::Kind::operator_token)});
    CHECK(hub.index() == 1);
    CHECK(since(hub, 0) == Lines{});
}

TEST_CASE("the ring is bounded, and forgets whole indexes") {
    WatchHub hub(0, 4);
    hub.publish(1, {row("a", 1), row("b", 1), row("c", 1)});
    hub.publish(2, {row("d", 2)});
    CHECK(since(hub, 0) == Lines{"a@1", "b@1", "c@1", "d@2"});
    hub.publish(3, {row("e", 3)});
    CHECK_FALSE(since(hub, 0).has_value());
    CHECK(since(hub, 1) == Lines{"d@2", "e@3"});
    // One change larger than the ring: nobody who lacks it can be helped.
    hub.publish(4, {row("1", 4), row("2", 4), row("3", 4), row("4", 4), row("5", 4)});
    CHECK_FALSE(since(hub, 3).has_value());
    CHECK(since(hub, 4) == Lines{});
}

TEST_CASE("the ring is bounded in bytes: labels that change all day cost a server no more") {
    model::Instance instance{.node = "web-1", .service = "web", .port = 80, .labels = {}};
    for (int i = 0; i < 100; ++i) instance.labels["l" + std::to_string(i)] = std::string(1000, 'x');
    const auto value = std::make_shared<const model::Resource>(instance);
    WatchHub hub(0);
    for (std::uint64_t index = 1; index <= 1000; ++index) {
        hub.publish(index, {{.kind = model::Kind::instance,
                             .key = instance.key(),
                             .index = index,
                             .value = value}});
        CHECK(hub.bytes() <= WatchHub::most_bytes);
    }
    CHECK(hub.bytes() > WatchHub::most_bytes / 2);
    CHECK_FALSE(since(hub, 1).has_value());
    CHECK(since(hub, 999) == Lines{"web-1/web/80@1000"});
    hub.reset(1000);
    CHECK(hub.bytes() == 0);
}

TEST_CASE("every publish wakes the subscribed, and only them") {
    LoopRunner runner;
    WatchHub hub(0);
    io::Signal signal(runner.executor());
    {
        const WatchHub::Subscription subscription(hub, signal);
        hub.publish(1, {});
        CHECK(runner.run(signal.wait_for(patience)));
    }
    hub.publish(2, {});
    CHECK_FALSE(runner.run(signal.wait_for(std::chrono::milliseconds(1))));
}

} // namespace hawser::server::test
