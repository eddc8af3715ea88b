// Raft over real sockets, TLS and disks: elections, replication, crashes, partitions, snapshots.
// What raft decides is tested in tests/raft and tests/sim; here it is what drives it.
#include <algorithm>
#include <filesystem>

#include "server/cluster_fixture.h"
#include "server/peer_link.h"

namespace hawser::server::test {

namespace {

using State = Relay::State;
using namespace std::chrono_literals;

struct Written {
    std::string service;
    std::optional<Result<registry::Outcome>> outcome;
};

io::Task<void> propose_into(RaftNode& node, Written& written,
                            std::chrono::milliseconds timeout = patience) {
    written.outcome = co_await node.propose(envelope(services({written.service})), timeout);
}

io::Task<void> say_into(RaftNode& node, std::optional<Result<registry::Outcome>>& outcome) {
    outcome = co_await node.propose_as_leader(envelope(services({"stale"})));
}

// How often the entry was carried out.
std::size_t times_carried_out(ClusterServer& server, const std::string& service) {
    return server.has_service(service) ? 1 : 0;
}

} // namespace

TEST_CASE("three servers elect one leader, and what is written anywhere is everywhere") {
    Cluster cluster;
    ClusterServer& leader = cluster.leader();
    cluster.write(leader, "at-leader");
    for (ClusterServer* follower : cluster.followers()) {
        cluster.write(*follower, "at-" + follower->name);
    }
    cluster.converge();
    for (const auto& server : cluster.servers) CHECK(server->has_service("at-leader"));
    CHECK(cluster.leader().id == leader.id);
    const RaftStatus status = leader.node->status();
    CHECK(status.configuration.voters.size() == 3);
    CHECK(status.peers.size() == 2);
    CHECK(status.refused_messages == 0);
}

TEST_CASE("many writes through all servers are each carried out once, in one order") {
    Cluster cluster;
    cluster.leader();
    io::TaskGroup tasks(cluster.runner.executor());
    std::vector<std::unique_ptr<Written>> all;
    for (int i = 0; i < 600; ++i) {
        all.push_back(std::make_unique<Written>("w" + std::to_string(i)));
        ClusterServer& at = cluster[static_cast<std::size_t>(i) % 3];
        tasks.spawn(propose_into(*at.node, *all.back()));
    }
    cluster.runner.run(tasks.join());
    std::set<std::uint64_t> indexes;
    for (const auto& written : all) {
        REQUIRE(written->outcome.has_value());
        if (!*written->outcome) FAIL(written->outcome->error().message);
        REQUIRE((**written->outcome).changes.size() >= 1);
        indexes.insert((**written->outcome).index);
    }
    CHECK(indexes.size() == 600);
    cluster.converge();
    CHECK(cluster[0].node->registry().tables().rows(model::Kind::service).size() == 600);
}

TEST_CASE("a leader that dies is replaced, and what was confirmed is there when it comes back") {
    Cluster cluster;
    ClusterServer& first = cluster.leader();
    cluster.write(first, "before");
    first.crash();
    ClusterServer& second = cluster.leader();
    CHECK(second.id != first.id);
    cluster.write(second, "during");
    for (ClusterServer* follower : cluster.followers()) cluster.write(*follower, "through");
    first.start();
    cluster.converge();
    CHECK(first.has_service("before"));
    CHECK(first.has_service("during"));
    CHECK(first.has_service("through"));
}

TEST_CASE("a server whose disk was put back is told apart, whatever was refused before") {
    Cluster cluster;
    ClusterServer& leader = cluster.leader();
    ClusterServer& victim = *cluster.followers().front();
    cluster.write(leader, "before");
    cluster.converge();
    const std::filesystem::path disk = cluster.directory.path() + "/" + victim.name;
    const std::filesystem::path copy = cluster.directory.path() + "/copy";
    victim.crash();
    std::filesystem::copy(disk, copy, std::filesystem::copy_options::recursive);
    victim.start();
    cluster.write(leader, "confirmed");
    cluster.converge();
    REQUIRE(leader.node->status().leader == leader.id);
    // What means nothing must not keep what matters from being told.
    leader.node->receive({.from = 0xbad, .to = leader.id, .term = 1, .body = raft::AppendReply{}});
    CHECK(leader.node->status().refused_messages > 0);
    CHECK(leader.node->status().damage.empty());

    victim.crash();
    std::filesystem::remove_all(disk);
    std::filesystem::rename(copy, disk);
    victim.start();
    cluster.runner.until([&] { return !leader.node->status().damage.empty(); });
    CHECK(leader.node->status().damage.contains("which it had confirmed"));
    const std::vector<raft::PeerStatus> peers = leader.node->status().peers;
    const auto lost = std::ranges::find(peers, victim.id, &raft::PeerStatus::id);
    REQUIRE(lost != peers.end());
    CHECK(lost->lost_entry != 0);
    cluster.converge();
    CHECK(victim.has_service("confirmed"));
}

TEST_CASE("all servers crash at once and go on where they were") {
    Cluster cluster;
    for (int i = 0; i < 20; ++i) cluster.write(cluster.leader(), "s" + std::to_string(i));
    for (const auto& server : cluster.servers) server->crash();
    for (const auto& server : cluster.servers) server->start();
    cluster.converge();
    CHECK(cluster[2].node->registry().tables().rows(model::Kind::service).size() == 20);
    cluster.write(cluster[1], "after");
}

TEST_CASE("without a majority nothing is written and nothing current is read; then all is well") {
    Cluster cluster;
    ClusterServer& leader = cluster.leader();
    cluster.write(leader, "before");
    const std::vector<ClusterServer*> others = cluster.followers();
    for (ClusterServer* other : others) other->crash();
    const Result<void> read = cluster.runner.run(leader.node->read_barrier(1500ms));
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == ErrorCode::unavailable);
    const Result<registry::Outcome> written =
        cluster.runner.run(leader.node->propose(envelope(services({"lost"})), 500ms));
    REQUIRE_FALSE(written.has_value());
    CHECK(leader.has_service("before")); // stale reads go on
    others[0]->start();
    cluster.write(*others[0], "after");
    CHECK(cluster.runner.run(leader.node->read_barrier()).has_value());
}

TEST_CASE("a leader that was cut off does not answer reads with what is no longer true") {
    Cluster cluster({.servers = 5});
    ClusterServer& old = cluster.leader();
    cluster.write(old, "before");
    REQUIRE(cluster.runner.run(old.node->read_barrier(patience)).has_value());
    State how = State::closed;
    SUBCASE("connections break") {
        how = State::closed;
    }
    SUBCASE("connections fall silent") {
        how = State::silent;
    }
    cluster.isolate(old, how);
    ClusterServer& leader = cluster.leader({old.name});
    cluster.write(leader, "after");
    const Result<void> stale = cluster.runner.run(old.node->read_barrier(300ms));
    CHECK_FALSE(stale.has_value());
    CHECK_FALSE(old.has_service("after"));
    // What it shows all the same it says the age of.
    REQUIRE(old.node->staleness().has_value());
    CHECK(*old.node->staleness() >= 300ms);
    REQUIRE(cluster.runner.run(leader.node->read_barrier(patience)).has_value());
    CHECK(leader.node->staleness().value_or(1h) < 10s);
    cluster.heal();
    const Result<void> current = cluster.runner.run(old.node->read_barrier(patience));
    if (!current) FAIL(current.error().message);
    CHECK(old.has_service("after"));
    cluster.converge();
}

TEST_CASE("a write at a leader that is cut off is not lost silently") {
    Cluster cluster;
    ClusterServer& old = cluster.leader();
    cluster.isolate(old, State::closed);
    io::TaskGroup tasks(cluster.runner.executor());
    Written written{.service = "w", .outcome = std::nullopt};
    tasks.spawn(propose_into(*old.node, written));
    ClusterServer& leader = cluster.leader({old.name});
    cluster.write(leader, "meanwhile");
    cluster.heal();
    cluster.runner.run(tasks.join());
    // It could not be committed where it was; it was tried again at the new leader.
    REQUIRE(written.outcome.has_value());
    if (!*written.outcome) FAIL(written.outcome->error().message);
    cluster.converge();
    CHECK(leader.has_service("w"));
}

TEST_CASE("what only a leader may say is proposed while it leads, and never again by another") {
    Cluster cluster;
    ClusterServer& old = cluster.leader();
    ClusterServer& follower = *cluster.followers().front();
    cluster.write(follower, "before");
    const auto refused =
        cluster.runner.run(follower.node->propose_as_leader(envelope(services({"follower"}))));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::unavailable);
    REQUIRE(
        cluster.runner.run(old.node->propose_as_leader(envelope(services({"said"})))).has_value());

    cluster.isolate(old, State::closed);
    std::optional<Result<registry::Outcome>> outcome;
    io::TaskGroup tasks(cluster.runner.executor());
    tasks.spawn(say_into(*old.node, outcome));
    cluster.write(cluster.leader({old.name}), "after");
    cluster.heal();
    cluster.runner.until([&] { return outcome.has_value(); });
    CHECK_FALSE(outcome->has_value());
    cluster.converge();
    for (const auto& server : cluster.servers) {
        CHECK(server->has_service("said"));
        CHECK_FALSE(server->has_service("follower"));
        CHECK_FALSE(server->has_service("stale"));
    }
    cluster.runner.run(tasks.join());
}

TEST_CASE("a large message has longer to go out") {
    CHECK(write_timeout(0) == 5s);
    CHECK(write_timeout(256 << 10) >= 6s);
    CHECK(write_timeout(4 << 20) >= 20s);
    CHECK(write_timeout(4 << 20) <= 30s);
}

TEST_CASE("a forwarded write whose answer is lost is said to be of unknown fate, and done once") {
    Cluster cluster;
    ClusterServer& leader = cluster.leader();
    ClusterServer& follower = *cluster.followers().front();
    cluster.write(follower, "before");
    cluster.set_road(follower, leader, State::one_way); // the request arrives, the answer does not
    io::TaskGroup tasks(cluster.runner.executor());
    Written written{.service = "w", .outcome = std::nullopt};
    tasks.spawn(propose_into(*follower.node, written));
    cluster.runner.until([&] { return leader.has_service("w"); });
    cluster.runner.run(tasks.join());
    REQUIRE(written.outcome.has_value());
    REQUIRE_FALSE(written.outcome->has_value());
    CHECK(written.outcome->error().code == ErrorCode::unknown);
    CHECK(written.outcome->error().message.find("may have been carried out") != std::string::npos);
    cluster.heal();
    cluster.converge();
    CHECK(times_carried_out(follower, "w") == 1);
    cluster.write(follower, "after");
}

TEST_CASE("with no leader a write waits for one, in time") {
    Cluster cluster;
    ClusterServer& leader = cluster.leader();
    ClusterServer& follower = *cluster.followers().front();
    leader.crash();
    cluster.write(follower, "patient");
    cluster.runner.until([&] { return follower.node->status().leader != leader.id; });
}

TEST_CASE("what changes nothing and what is refused is answered from a current registry") {
    Cluster cluster;
    ClusterServer& leader = cluster.leader();
    ClusterServer& follower = *cluster.followers().front();
    cluster.write(follower, "api");
    const raft::Index last = leader.node->status().last_index;
    const Result<registry::Outcome> again = follower.propose(services({"api"}));
    REQUIRE(again.has_value());
    CHECK(again->changes.empty());
    CHECK(follower.propose(init_trust()).error().code == ErrorCode::already_exists);
    CHECK(leader.node->status().last_index == last);
}

TEST_CASE("a server that the log cannot help any more gets a snapshot, and goes on from it") {
    Cluster::Options options;
    options.raft.trailing_entries = 20;
    options.raft.snapshot_chunk = 2048;
    options.node.store_after = 5ms;
    Cluster cluster(options);
    ClusterServer& behind = *cluster.followers().front();
    behind.crash();
    // The log waits a while for one that was just there.
    ClusterServer& leader = cluster.leader();
    std::string last;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (int i = 0; leader.node->status().first_index < 100; ++i) {
        REQUIRE(std::chrono::steady_clock::now() < deadline);
        last = "s" + std::to_string(i);
        cluster.write(leader, last);
    }
    behind.start();
    SUBCASE("at once") {}
    SUBCASE("after a crash in the middle of it") {
        cluster.runner.until([&] {
            const auto peers = cluster.leader().node->status().peers;
            return std::ranges::any_of(peers, [&](const raft::PeerStatus& peer) {
                return peer.id == behind.id && peer.snapshot_bytes > 8000;
            });
        });
        behind.crash();
        behind.start();
    }
    cluster.runner.until([&] { return behind.has_service(last); });
    CHECK(behind.installed >= 1);
    cluster.converge();
    cluster.write(behind, "after");
    // What it installed it keeps.
    behind.crash();
    behind.start();
    CHECK(behind.has_service(last));
    cluster.converge();
}

TEST_CASE("servers join as learners, are promoted, and leave; leadership is handed over") {
    Cluster::Options options;
    options.raft.trailing_entries = 20;
    options.node.store_after = 5ms;
    Cluster cluster(options);
    for (int i = 0; i < 60; ++i) cluster.write(cluster.leader(), "s" + std::to_string(i));
    ClusterServer& fourth = cluster.add("s4");
    fourth.start();
    for (const auto& server : cluster.servers) server->peers->refresh();
    using Kind = raft::ChangeMembership::Kind;
    const auto change = [&](Kind kind, const ClusterServer& server) {
        return cluster.runner.run(
            cluster.leader({server.name})
                .node->change_membership({.kind = kind, .server = server.id}, 5s));
    };
    REQUIRE(change(Kind::add_learner, fourth).has_value());
    cluster.runner.until([&] { return fourth.has_service("s59"); });
    cluster.runner.until([&] { return change(Kind::promote, fourth).has_value(); });
    CHECK(cluster.leader().node->status().configuration.voters.size() == 4);

    ClusterServer& old = cluster.leader();
    REQUIRE(cluster.runner.run(old.node->transfer_leadership(fourth.id, 5s)).has_value());
    CHECK(cluster.leader().id == fourth.id);

    cluster.runner.until([&] { return change(Kind::remove, old).has_value(); });
    cluster.unlist(old.name);
    cluster.write(fourth, "without");
    cluster.runner.until([&] {
        return std::ranges::any_of(old.peers->status(), [](const Peers::Status& status) {
            return status.link.error.find("is not a member") != std::string::npos;
        });
    });
    CHECK_FALSE(fourth.refusals.counts().empty());
    // It cannot disturb those who go on.
    const raft::Term term = fourth.node->status().term;
    CHECK_FALSE(cluster.runner.run(old.node->read_barrier(1500ms)).has_value());
    CHECK(fourth.node->status().term == term);
}

TEST_CASE("a server that stops hands over, and its clients notice little") {
    Cluster cluster;
    ClusterServer& leader = cluster.leader();
    cluster.runner.run(leader.node->stop(5s));
    CHECK_FALSE(leader.node->leads());
    CHECK(leader.propose(services({"late"})).error().code == ErrorCode::unavailable);
    ClusterServer& next = cluster.leader();
    CHECK(next.id != leader.id);
    cluster.write(next, "after");
}

} // namespace hawser::server::test
