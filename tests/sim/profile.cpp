#include "profile.h"

namespace hawser::raft::sim {

namespace {

template <typename T>
T one_of(Random& random, std::initializer_list<T> values) {
    return values.begin()[random.below(values.size())];
}

void choose_options(Random& random, Options& options) {
    using std::chrono::milliseconds;
    options.heartbeat = milliseconds(20);
    options.election_min = milliseconds(100);
    options.election_max = milliseconds(one_of(random, {150, 200, 300}));
    options.append_entries = one_of<std::size_t>(random, {1, 2, 8, 64});
    options.append_bytes = one_of<std::size_t>(random, {1, 30, 1 << 20});
    options.appends_in_flight = one_of<std::size_t>(random, {1, 2, 8, 64});
    options.snapshot_chunk = one_of<std::size_t>(random, {16, 50, 1 << 20});
    options.trailing_entries = one_of<Index>(random, {0, 1, 5, 20, 60});
    options.trailing_for_peers = one_of<Index>(random, {30, 100});
    options.uncommitted_entries = one_of<Index>(random, {10, 1000});
    options.reads_in_flight = one_of<std::size_t>(random, {3, 1000});
    // Without a draw: a seed that found something stays what it was, as far as can be.
    if (options.append_bytes == 30) {
        options.trailing_bytes = 100;
        options.trailing_bytes_for_peers = 200;
        options.uncommitted_bytes = 400;
    }
}

// Little but leaders that fall as they rise, with much that they could not tell the others.
void make_delicate(Random& random, Profile& profile) {
    profile.servers = one_of<std::size_t>(random, {3, 4, 4, 5});
    profile.crashes = profile.power_cuts = profile.blackouts = profile.lost_disks = 0;
    profile.partitions = profile.one_way = profile.rolling = profile.isolations = 0;
    profile.pauses = profile.clock_jumps = profile.full_disks = profile.transfers = 0;
    profile.membership = random.below(2);
    profile.heals = 1 - profile.membership;
    profile.nemesis_every = profile.membership > 0 ? 200 : 2000;
    profile.clocks_drift = false;
    profile.options.append_entries = 1;
    profile.options.appends_in_flight = 1;
    profile.options.uncommitted_entries = 1000;
    profile.options.trailing_entries = 20;
    profile.loss = 0;
    profile.ambush = 900;
    profile.trouble_ends = 8000;
    profile.clients = 3;
    profile.think = 30;
}

} // namespace

Profile make_profile(Random& random) {
    Profile profile;
    profile.servers = one_of<std::size_t>(random, {1, 2, 3, 3, 3, 3, 4, 5, 5});
    choose_options(random, profile.options);
    profile.trouble_ends = one_of<Time>(random, {2000, 4000, 4000, 8000});
    const auto sometimes = [&](std::uint64_t value) { return random.below(2) * value; };

    profile.delay_most = one_of<Time>(random, {2, 5, 5, 15, 60});
    profile.in_order = random.below(2) == 0;
    profile.loss = sometimes(one_of<Chance>(random, {5, 50, 200}));
    profile.duplicate = sometimes(one_of<Chance>(random, {10, 100}));

    profile.write_most = one_of<Time>(random, {1, 5, 5, 20, 60});
    profile.hang = sometimes(20);
    profile.crash_at_write = sometimes(one_of<Chance>(random, {2, 10, 30}));
    profile.store = one_of<Chance>(random, {20, 300, 1000});
    profile.snapshot_failure = sometimes(50);
    profile.snapshot_flip = sometimes(50);

    profile.nemesis_every = one_of<Time>(random, {60, 150, 300, 600});
    profile.crashes = sometimes(4);
    profile.power_cuts = sometimes(4);
    profile.blackouts = sometimes(1);
    profile.lost_disks = random.below(8) == 0 ? 1 : 0;
    profile.bit_flips = random.below(4) == 0 ? 4 : 0;
    profile.partitions = sometimes(4);
    profile.one_way = sometimes(4);
    profile.rolling = sometimes(2);
    profile.isolations = sometimes(3);
    profile.pauses = sometimes(3);
    profile.clock_jumps = sometimes(3);
    profile.full_disks = sometimes(2);
    profile.membership = sometimes(one_of<std::uint64_t>(random, {4, 12}));
    profile.transfers = sometimes(4);
    profile.heals = 4;
    profile.ambush = sometimes(one_of<Chance>(random, {200, 600}));
    profile.slow_install = sometimes(200);
    profile.clocks_drift = random.below(2) == 0;

    profile.clients = 1 + random.below(4);
    profile.think = one_of<Time>(random, {5, 30, 100});
    profile.batch = one_of<std::uint64_t>(random, {1, 1, 4});
    profile.watchers = random.below(4);
    profile.watch_capacity = one_of<std::size_t>(random, {2, 20, 1000});
    if (random.below(3) == 0) make_delicate(random, profile);
    // Not where the members change: a copy from before that would not know who they are.
    if (profile.membership == 0 && profile.servers >= 3) profile.put_backs = random.below(2) * 12;
    return profile;
}

} // namespace hawser::raft::sim
