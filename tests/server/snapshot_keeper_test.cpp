// Snapshots made by the clock, also by one that was wrong.
#include "server/snapshot_keeper.h"

#include <filesystem>
#include <fstream>

#include "server/cluster_fixture.h"

namespace hawser::server::test {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Cluster::Options one_server() {
    Cluster::Options options;
    options.servers = 1;
    return options;
}

} // namespace

TEST_CASE("a clock that was ahead neither delays the next snapshot nor costs it its place") {
    Cluster cluster(one_server());
    cluster.write(cluster[0], "web");
    const Result<registry::Outcome> made = cluster[0].propose(init_trust());
    if (cluster[0].node->registry().tables().trust() == nullptr) FAIL(made.error().message);
    const std::string folder = cluster.directory.file("snapshots");
    fs::create_directories(folder);
    for (const std::string name : {"mesh-20990101T000000Z", "mesh-20990102T000000Z"}) {
        std::ofstream(folder + "/" + name + ".snapshot") << "x";
        fs::last_write_time(folder + "/" + name + ".snapshot",
                            fs::file_time_type::clock::now() + std::chrono::hours(24 * 365));
    }
    const std::vector<std::string> before = kept_snapshots(folder);

    SnapshotKeeper keeper(cluster.runner.executor(), *cluster[0].node,
                          {.folder = folder, .interval = 1h, .keep = 2, .version = "1.0"});
    {
        io::TaskGroup tasks(cluster.runner.executor());
        tasks.spawn(keeper.run());
        cluster.runner.until([&] { return kept_snapshots(folder) != before; });
        // The file is there before the older ones are removed.
        cluster.runner.until([&] { return kept_snapshots(folder).size() == 2; });
        tasks.cancel();
        cluster.runner.run(tasks.join());
    }
    const std::vector<std::string> after = kept_snapshots(folder);
    REQUIRE(after.size() == 2);
    CHECK(after.front() < before.front()); // the new one, by its time
    CHECK(after.back() == before.back());
    CHECK(keeper.trouble().empty());
}

} // namespace hawser::server::test
