// Who joins, who votes and who goes, without anybody being asked.
#include "server/autopilot.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace hawser::server::test {

namespace {

using namespace std::chrono_literals;

model::Server make_server(raft::ServerId id) {
    return {.id = id, .name = "s" + std::to_string(id), .version = "1.0", .level = 1};
}

// The cluster as a leader, server 1, sees it; steps are carried out at once.
struct Cluster {
    ClusterView view{.self = 1, .now = 1h, .configuration = {.voters = {1}}};
    Autopilot autopilot{{.dead_after = 72h, .stable_for = 2s}};

    explicit Cluster(raft::ServerId voters) {
        view.servers.push_back(make_server(1));
        for (raft::ServerId id = 2; id <= voters; ++id) {
            view.servers.push_back(make_server(id));
            view.configuration.voters.push_back(id);
            view.peers.push_back({.id = id, .voter = true, .last_contact = view.now});
        }
    }
    raft::PeerStatus& peer(raft::ServerId id) {
        return *std::ranges::find(view.peers, id, &raft::PeerStatus::id);
    }
    model::Server& row(raft::ServerId id) {
        return *std::ranges::find(view.servers, id, &model::Server::id);
    }
    template <typename Step>
    bool next_is() {
        return std::holds_alternative<Step>(autopilot.next(view));
    }
    template <typename Step>
    bool next_is(raft::ServerId server) {
        const Autopilot::Step step = autopilot.next(view);
        const Step* wanted = std::get_if<Step>(&step);
        return wanted != nullptr && wanted->server == server;
    }
    // Time passes, and everybody but these is heard.
    void pass(Duration time, std::vector<raft::ServerId> silent = {}) {
        view.now += time;
        for (raft::PeerStatus& each : view.peers) {
            if (!std::ranges::contains(silent, each.id)) each.last_contact = view.now;
        }
    }
};

} // namespace

TEST_CASE("who joined learns, and votes once it has caught up for a while") {
    Cluster cluster(1);
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.view.servers.push_back(make_server(2));
    CHECK(cluster.next_is<Autopilot::AddLearner>(2));
    cluster.view.configuration.learners = {2};
    cluster.view.peers.push_back({.id = 2, .last_contact = cluster.view.now});
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.peer(2).caught_up = true;
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.pass(1s);
    cluster.peer(2).caught_up = false;
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.peer(2).caught_up = true;
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.pass(1s);
    CHECK(cluster.next_is<Autopilot::Nothing>()); // the first second does not count any more
    cluster.pass(1s);
    CHECK(cluster.next_is<Autopilot::Promote>(2));
}

TEST_CASE("who is to leave goes from raft first, then from the registry, and never comes back") {
    Cluster cluster(3);
    cluster.row(3).leaving = true;
    CHECK(cluster.next_is<Autopilot::Drop>(3));
    cluster.view.configuration.voters = {1, 2};
    CHECK(cluster.next_is<Autopilot::Forget>(3));
    cluster.view.servers.pop_back();
    CHECK(cluster.next_is<Autopilot::Nothing>());
}

TEST_CASE("a leader that is to leave hands over first") {
    Cluster cluster(3);
    cluster.row(1).leaving = true;
    CHECK(cluster.next_is<Autopilot::HandOver>());
}

TEST_CASE("the dead are sent away when enough others are there, and never below three voters") {
    Cluster three(3);
    CHECK(three.next_is<Autopilot::Nothing>());
    three.pass(100h, {3});
    CHECK(three.next_is<Autopilot::Nothing>());

    Cluster four(4);
    CHECK(four.next_is<Autopilot::Nothing>());
    four.pass(71h, {3});
    CHECK(four.next_is<Autopilot::Nothing>());
    four.pass(1h, {3});
    CHECK(four.next_is<Autopilot::SendAway>());

    Cluster five(5);
    CHECK(five.next_is<Autopilot::Nothing>());
    five.pass(100h, {2, 3, 4});
    CHECK(five.next_is<Autopilot::Nothing>()); // two of four are no majority
    Cluster never(4);
    never.autopilot = Autopilot({.dead_after = 0s});
    CHECK(never.next_is<Autopilot::Nothing>());
    never.pass(1000h, {3});
    CHECK(never.next_is<Autopilot::Nothing>());
}

TEST_CASE("a new leader counts silence from when it became one") {
    Cluster cluster(4);
    cluster.peer(3).last_contact.reset();
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.pass(71h, {3});
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.pass(1h, {3});
    CHECK(cluster.next_is<Autopilot::SendAway>());
}

TEST_CASE("a joiner that never came is sent away too, whatever the number of voters") {
    Cluster cluster(1);
    cluster.view.servers.push_back(make_server(2));
    cluster.view.configuration.learners = {2};
    cluster.view.peers.push_back({.id = 2});
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.pass(72h, {2});
    CHECK(cluster.next_is<Autopilot::SendAway>());
}

TEST_CASE("of two that are to leave, the silent one goes first: the other is needed for that") {
    Cluster cluster(3);
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.row(2).leaving = cluster.row(3).leaving = true;
    CHECK(cluster.next_is<Autopilot::Drop>(2));
    cluster.pass(2s, {3});
    CHECK(cluster.next_is<Autopilot::Drop>(3));
    cluster.row(1).leaving = true;
    CHECK(cluster.next_is<Autopilot::Drop>(3));
}

TEST_CASE("a tenth member learns and does not vote, and the dead are cleaned up all the same") {
    Cluster cluster(9);
    cluster.view.servers.push_back(make_server(10));
    cluster.view.configuration.learners = {10};
    cluster.view.peers.push_back({.id = 10, .last_contact = cluster.view.now, .caught_up = true});
    CHECK(cluster.next_is<Autopilot::Nothing>());
    cluster.pass(72h, {9});
    const Autopilot::Step step = cluster.autopilot.next(cluster.view);
    const auto* sent = std::get_if<Autopilot::SendAway>(&step);
    REQUIRE(sent != nullptr);
    CHECK(sent->name == "s9");
}

} // namespace hawser::server::test
