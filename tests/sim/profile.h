// What kind of trouble a run gets, chosen by its seed. Not every run gets every kind: some faults
// only show when others are absent.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/random.h"
#include "raft/options.h"
#include "scheduler.h"

namespace hawser::raft::sim {

// How often, in thousandths, something happens where it could.
using Chance = std::uint64_t;

struct Profile {
    std::size_t servers = 3;
    Options options;
    Time trouble_ends = 4000;

    // the network
    Time delay_most = 5;
    bool in_order = true; // per link, as TCP has it
    Chance loss = 0;
    Chance duplicate = 0;

    // disks
    Time write_most = 5;
    Chance hang = 0;           // a write takes much longer
    Chance crash_at_write = 0; // the process ends as a write does: reported or not
    Chance store = 300;        // the state machine is stored after applying
    Chance snapshot_failure = 0;
    Chance snapshot_flip = 0; // of a bit, in what was received of one

    // Weights of what the nemesis does.
    Time nemesis_every = 300; // on average
    std::uint64_t crashes = 0, power_cuts = 0, blackouts = 0, lost_disks = 0, bit_flips = 0;
    std::uint64_t put_backs = 0; // of a disk, to an older state
    std::uint64_t partitions = 0, one_way = 0, rolling = 0, isolations = 0;
    std::uint64_t pauses = 0, clock_jumps = 0, full_disks = 0;
    std::uint64_t membership = 0, transfers = 0;
    std::uint64_t heals = 0;
    Chance ambush = 0; // of a server that has just become leader
    Chance slow_install = 0;
    bool clocks_drift = false;

    // clients
    std::size_t clients = 3;
    Time think = 30; // between two operations, on average
    std::uint64_t batch = 1;
    std::size_t watchers = 2;
    std::size_t watch_capacity = 1000; // changes that a server holds for them
};

[[nodiscard]] Profile make_profile(Random& random);

} // namespace hawser::raft::sim
