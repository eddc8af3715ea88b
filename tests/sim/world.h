// What the parts of a run share: time, chance, the judge, and the story as it happens.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/random.h"
#include "oracle.h"
#include "profile.h"
#include "scheduler.h"

namespace hawser::raft::sim {

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
