// Runs simulated clusters, one for each seed; the same seed is always the same run.
//   sim [--seeds N] [--first SEED] [--stop-after FINDINGS] [--seed SEED [--story]]
// Exit status 1, and a line that names the seed, when one fails.
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <format>
#include <string_view>

#include "cluster.h"

namespace hawser::raft::sim {

namespace {

volatile std::sig_atomic_t current_seed = 0;

struct Options {
    std::uint64_t first = 1;
    std::uint64_t seeds = 300;
    std::uint64_t stop_after = 10; // findings
    bool story = false;
};

struct Totals {
    std::uint64_t failed = 0, writes = 0, reads = 0;
    Counts counts;
};

// A check of the core that fails is a finding as well.
void tell_seed(int) {
    std::fprintf(stderr, "seed %lld: the core aborts\n", static_cast<long long>(current_seed));
    std::_Exit(1);
}

bool run_seed(std::uint64_t seed, bool story, Totals& totals) {
    current_seed = static_cast<std::sig_atomic_t>(seed);
    World world(seed, story);
    Cluster cluster(world);
    cluster.run();
    totals.writes += world.oracle.writes();
    totals.reads += world.oracle.reads();
    totals.counts += world.counts;
    if (story) cluster.describe();
    if (world.oracle.content()) return true;
    std::printf("seed %llu, at %lld ms: %s\n", static_cast<unsigned long long>(seed),
                static_cast<long long>(world.scheduler.now()), world.oracle.finding().c_str());
    return false;
}

int run(const Options& options) {
    const auto began = std::chrono::steady_clock::now();
    Totals totals;
    for (std::uint64_t i = 0; i < options.seeds; ++i) {
        if (!run_seed(options.first + i, options.story, totals)) ++totals.failed;
        if (totals.failed >= options.stop_after) break;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const Counts& counts = totals.counts;
    std::fputs(std::format("{} writes, {} reads, {} elections, {} conflicts, {} crashes, "
                           "{} compactions ({} amid snapshots), {} snapshots ({} in the log's "
                           "place), {} changes of members seen, {} transfers, {} flipped bits "
                           "found, {} watches told ({} to begin anew), {} partly mended, "
                           "{} returns, {} disks put back, {} without a majority\n"
                           "{} seeds from {} in {:.1f} s, {} failed\n",
                           totals.writes, totals.reads, counts.elections, counts.overwritten,
                           counts.crashes, counts.compactions, counts.compactions_amid,
                           counts.snapshots, counts.resets, counts.changes, counts.transfers,
                           counts.flips, counts.watched + counts.resynced, counts.resynced,
                           counts.partly_mended, counts.returns, counts.put_back, counts.hopeless,
                           options.seeds, options.first, took.count(), totals.failed)
                   .c_str(),
               stdout);
    return totals.failed == 0 ? 0 : 1;
}

bool parse(int count, char** arguments, Options& options) {
    for (int i = 1; i < count; ++i) {
        const std::string_view argument = arguments[i];
        if (argument == "--story") {
            options.story = true;
            continue;
        }
        if (++i == count) return false;
        const char* end = arguments[i] + std::strlen(arguments[i]);
        std::uint64_t value = 0;
        const auto [parsed, error] = std::from_chars(arguments[i], end, value);
        if (error != std::errc() || parsed != end) return false;
        if (argument == "--seeds")
            options.seeds = value;
        else if (argument == "--first")
            options.first = value;
        else if (argument == "--stop-after")
            options.stop_after = value;
        else if (argument == "--seed")
            options.first = value, options.seeds = 1;
        else
            return false;
    }
    return true;
}

} // namespace

} // namespace hawser::raft::sim

int main(int count, char** arguments) {
    hawser::raft::sim::Options options;
    if (!hawser::raft::sim::parse(count, arguments, options)) {
        std::fprintf(
            stderr,
            "usage: sim [--seeds N] [--first SEED] [--stop-after N] [--seed N [--story]]\n");
        return 2;
    }
    std::signal(SIGABRT, hawser::raft::sim::tell_seed);
    return hawser::raft::sim::run(options);
}
