// What the parts of a run share: time, chance, the judge, and the story as it happens.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include "base/random.h"
#include "oracle.h"
#include "profile.h"
#include "scheduler.h"

namespace hawser::raft::sim {

// What a run went through: so that it can be seen that all of it is tried.
struct Counts {
    std::uint64_t crashes = 0, elections = 0, overwritten = 0, compactions = 0, snapshots = 0,
                  resets = 0, changes = 0, transfers = 0, partly_mended = 0, hopeless = 0,
                  compactions_amid = 0, flips = 0, watched = 0, resynced = 0, returns = 0,
                  put_back = 0;

    Counts& operator+=(const Counts& other) {
        crashes += other.crashes;
        elections += other.elections;
        overwritten += other.overwritten;
        compactions += other.compactions;
        snapshots += other.snapshots;
        resets += other.resets;
        changes += other.changes;
        transfers += other.transfers;
        partly_mended += other.partly_mended;
        hopeless += other.hopeless;
        compactions_amid += other.compactions_amid;
        flips += other.flips;
        watched += other.watched;
        resynced += other.resynced;
        returns += other.returns;
        put_back += other.put_back;
        return *this;
    }
};

struct World {
    explicit World(std::uint64_t run_seed, bool tell_story)
        : seed(run_seed), random(run_seed), profile(make_profile(random)), telling(tell_story) {}

    std::uint64_t seed;
    Random random;
    Profile profile;
    Scheduler scheduler;
    Oracle oracle;
    bool troubled = true; // until the nemesis has left and everything is mended
    bool telling;
    Counts counts;
    std::function<void(ServerId)> leader_found{}; // a server is about to say that it leads
    std::function<void()> install_is_slow{};

    [[nodiscard]] bool happens(Chance thousandths) { return random.below(1000) < thousandths; }
    [[nodiscard]] Time between(Time least, Time most) {
        return least +
               static_cast<Time>(random.below(static_cast<std::uint64_t>(most - least) + 1));
    }
    // Call it as: if (world.telling) world.tell(std::format(…)).
    void tell(const std::string& what) const {
        std::printf("%6lld %s\n", static_cast<long long>(scheduler.now()), what.c_str());
    }
};

} // namespace hawser::raft::sim
