// Servers whose disk fails, among others whose does not.
#include "server/cluster_fixture.h"
#include "store/faulty_disk.h"

namespace hawser::server::test {

namespace {

using namespace std::chrono_literals;
using store::test::FaultyDisk;

Cluster::Options quick_retries() {
    Cluster::Options options;
    options.node.retry_interval = 20ms;
    return options;
}

// Alone on the faulty disk: the others have opened their files already.
void restart_on(ClusterServer& server, Cluster& cluster) {
    server.crash();
    server.start();
    const Result<void> ready = cluster.runner.run(server.node->ready(patience));
    if (!ready) FAIL(ready.error().message);
}

void make_leader(ClusterServer& server, Cluster& cluster) {
    ClusterServer& leader = cluster.leader();
    if (&leader == &server) return;
    const Result<void> done =
        cluster.runner.run(leader.node->transfer_leadership(server.id, patience));
    if (!done) FAIL(done.error().message);
    REQUIRE(&cluster.leader() == &server);
}

} // namespace

TEST_CASE("rows that wait for a slow disk are bounded: a leader refuses writes until it keeps up") {
    Cluster::Options options;
    options.servers = 1;
    options.node.store_after = 1ms;
    options.node.unsaved_rows = 20;
    FaultyDisk disk; // first: servers end before it does
    disk.hangs_at = "state.db";
    Cluster cluster(options);
    restart_on(cluster[0], cluster);
    cluster.write(cluster[0], "before");

    disk.hung = true;
    int taken = 0;
    Result<registry::Outcome> last = cluster[0].propose(services({"s"}));
    for (; last && taken < 100; ++taken)
        last = cluster[0].propose(services({"s" + std::to_string(taken)}));
    const std::string trouble = cluster[0].node->status().trouble;
    disk.hung = false;
    disk.hung.notify_all();
    REQUIRE_FALSE(last.has_value());
    CHECK(last.error().code == ErrorCode::resource_exhausted);
    CHECK(last.error().message.contains("the disk does not keep up"));
    CHECK(trouble == last.error().message);
    CHECK(taken >= 5);
    cluster.runner.until([&] { return cluster[0].node->status().trouble.empty(); });
    cluster.write(cluster[0], "after");
}

TEST_CASE("a follower whose rows wait for a slow disk takes no more entries, and catches up") {
    Cluster::Options options;
    options.node.store_after = 1ms;
    options.node.unsaved_rows = 20;
    Cluster cluster(options);
    ClusterServer& slow = *cluster.followers().front();
    FaultyDisk disk;
    disk.hangs_at = "state.db";
    restart_on(slow, cluster);
    cluster.write(slow, "before");

    disk.hung = true;
    ClusterServer& leader = cluster.leader({slow.name});
    for (int i = 0; i < 50; ++i) cluster.write(leader, "s" + std::to_string(i));
    cluster.runner.until([&] { return !slow.node->status().trouble.empty(); });
    const bool behind = !slow.has_service("s49");
    disk.hung = false;
    disk.hung.notify_all();
    CHECK(behind);
    CHECK(slow.has_service("before"));
    cluster.converge();
    CHECK(slow.has_service("s49"));
}

TEST_CASE("a follower whose disk is full holds nobody up, and catches up when there is room") {
    Cluster cluster(quick_retries());
    ClusterServer& full = *cluster.followers().front();
    FaultyDisk disk;
    restart_on(full, cluster);
    cluster.write(full, "before");

    disk.writes_until_full = 0;
    ClusterServer& leader = cluster.leader({full.name});
    for (int i = 0; i < 20; ++i) cluster.write(leader, "s" + std::to_string(i));
    cluster.runner.until([&] { return !full.node->status().trouble.empty(); });
    const Result<registry::Outcome> refused = full.propose(services({"refused"}));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::resource_exhausted);
    CHECK(full.has_service("before")); // what it has it shows
    const Result<void> current = cluster.runner.run(full.node->read_barrier(200ms));
    REQUIRE_FALSE(current.has_value());
    CHECK(current.error().message.find("full") != std::string::npos);
    CHECK_FALSE(full.node->failure().has_value());

    disk.writes_until_full = -1;
    cluster.converge();
    CHECK(full.has_service("s19"));
    cluster.write(full, "after");
    full.crash();
}

TEST_CASE("a leader whose disk is full hands over to one that has room") {
    Cluster cluster(quick_retries());
    ClusterServer& full = cluster[0];
    FaultyDisk disk;
    restart_on(full, cluster);
    make_leader(full, cluster);
    cluster.write(full, "before");

    disk.writes_until_full = 0;
    const Result<registry::Outcome> written =
        cluster.runner.run(full.node->propose(envelope(services({"during"})), 1500ms));
    cluster.runner.until([&] { return !full.node->leads(); });
    ClusterServer& leader = cluster.leader({full.name});
    CHECK(&leader != &full);
    cluster.write(leader, "elsewhere");
    CHECK_FALSE(full.node->failure().has_value());

    disk.writes_until_full = -1;
    cluster.converge();
    CHECK(full.has_service("elsewhere"));
    // Whatever was said of it is true: it is everywhere, or it was refused.
    if (written) CHECK(leader.has_service("during"));
    cluster.write(full, "after");
    full.crash();
}

TEST_CASE("a disk that cannot tell what it holds ends a server, and only that one") {
    Cluster cluster(quick_retries());
    ClusterServer& broken = cluster[1];
    FaultyDisk disk;
    restart_on(broken, cluster);
    SUBCASE("as a follower") {
        make_leader(cluster[0], cluster);
    }
    SUBCASE("as the leader") {
        make_leader(broken, cluster);
    }
    cluster.write(broken, "before");
    disk.syncs_until_error = 0;
    const Result<registry::Outcome> written =
        cluster.runner.run(broken.node->propose(envelope(services({"during"})), 1500ms));
    cluster.runner.until([&] { return broken.node->failure().has_value(); });
    CHECK(broken.node->failure()->message.find("writing the raft log") != std::string::npos);
    CHECK(broken.node->failure()->message.find("disk I/O error") != std::string::npos);
    if (!written) CHECK(written.error().code != ErrorCode::internal);
    // What may be in the log and what may not be is not told apart any more: nothing is.
    CHECK(broken.propose(services({"late"})).error().code == ErrorCode::unavailable);
    CHECK_FALSE(cluster.runner.run(broken.node->read_barrier(200ms)).has_value());

    ClusterServer& leader = cluster.leader({broken.name});
    cluster.write(leader, "without-it");
    disk.syncs_until_error = -1;
    broken.crash();
    broken.start();
    cluster.converge();
    CHECK(broken.has_service("without-it"));
    broken.crash();
}

} // namespace hawser::server::test
