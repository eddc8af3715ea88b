#include "nemesis.h"

#include <algorithm>
#include <format>

namespace hawser::raft::sim {

namespace {

constexpr std::size_t most_servers = 10; // over the whole run

} // namespace

Nemesis::Nemesis(Cluster& cluster) : cluster_(cluster), world_(cluster.world()) {
    const Profile& profile = world_.profile;
    deeds_ = {
        {profile.crashes, &Nemesis::crash},
        {profile.power_cuts, &Nemesis::power_cut},
        {profile.blackouts, &Nemesis::blackout},
        {profile.lost_disks, &Nemesis::lose_disk},
        {profile.bit_flips, &Nemesis::flip_bit},
        {profile.put_backs, &Nemesis::put_back_disk},
        {profile.partitions, &Nemesis::partition},
        {profile.one_way, &Nemesis::cut_one_way},
        {profile.rolling, &Nemesis::roll_partition},
        {profile.isolations, &Nemesis::isolate_leader},
        {profile.pauses, &Nemesis::pause},
        {profile.clock_jumps, &Nemesis::jump_clock},
        {profile.full_disks, &Nemesis::fill_disk},
        {profile.membership, &Nemesis::change_membership},
        {profile.transfers, &Nemesis::transfer},
        {profile.heals, &Nemesis::heal},
    };
    for (const Deed& deed : deeds_) weights_ += deed.weight;
}

void Nemesis::begin() {
    world_.leader_found = [this](ServerId leader) {
        if (world_.troubled && world_.happens(world_.profile.ambush)) ambush(leader);
    };
    world_.install_is_slow = [this] { interrupt_install(); };
    wait_and_strike();
}

void Nemesis::wait_and_strike() {
    world_.scheduler.after(world_.between(1, 2 * world_.profile.nemesis_every), [this] {
        if (!world_.troubled) return;
        strike();
        wait_and_strike();
    });
}

void Nemesis::strike() {
    std::uint64_t at = world_.random.below(weights_);
    for (const Deed& deed : deeds_) {
        if (at < deed.weight) return (this->*deed.perform)();
        at -= deed.weight;
    }
}

// The most delicate time of a leader is that before its first entry is committed. What it has just
// decided to send has not left yet.
void Nemesis::ambush(ServerId leader) {
    Server& server = *cluster_.find(leader);
    const bool to_change = world_.profile.membership > 0 && world_.random.below(2) == 0;
    const std::uint64_t how = to_change ? 1 + world_.random.below(2) : world_.random.below(4);
    switch (how) {
        case 0: // its entries stay its own
            isolate(leader);
            break;
        case 1: // it changes the members while nobody hears it
            world_.scheduler.after(world_.between(0, 300), [this, leader] {
                if (!world_.troubled) return;
                isolate(leader);
                press(leader, world_.scheduler.now() + 20);
            });
            break;
        case 2: // … or while one of the others does not
            if (const ServerId other = other_voter(server); other != no_server) isolate(other);
            press(leader, world_.scheduler.now() + 50);
            [[fallthrough]];
        default:
            world_.scheduler.after(world_.between(0, 100), [this, &server] {
                if (world_.troubled && server.leads()) end(server, world_.random.below(2) == 0);
            });
    }
    // When the next leader is ambushed as well, what is cut stays cut.
    const Time heals = how == 1 ? world_.between(500, 1200) : world_.between(100, 400);
    world_.scheduler.after(heals, [this, ambush = ++ambushes_] {
        if (ambush == ambushes_) heal();
    });
}

ServerId Nemesis::other_voter(const Server& server) {
    std::vector<ServerId> others = server.core().configuration().voters;
    std::erase(others, server.id());
    return others.empty() ? no_server : others[world_.random.below(others.size())];
}

// A change of the members as soon as it can be had.
void Nemesis::press(ServerId leader, Time until) {
    if (world_.profile.membership == 0) return;
    world_.scheduler.after(1, [this, leader, until] {
        Server& server = *cluster_.find(leader);
        if (!world_.troubled || world_.scheduler.now() > until || !server.leads()) return;
        const Configuration before = server.core().configuration();
        const std::vector<ServerId>& voters = before.voters;
        server.change({.kind = ChangeMembership::Kind::remove,
                       .server = voters[world_.random.below(voters.size())]});
        if (!server.leads() || server.core().configuration() != before) return;
        press(leader, until);
    });
}

// Another leader may still have what the snapshot is for.
void Nemesis::interrupt_install() {
    if (Server* leader = cluster_.any_leader()) end(*leader, false);
}

void Nemesis::end(Server& server, bool power_cut) {
    server.crash(power_cut);
    world_.scheduler.after(world_.between(1, 1000), [&server] { server.start(); });
}

void Nemesis::crash() {
    end(cluster_.any(), false);
}

void Nemesis::power_cut() {
    end(cluster_.any(), true);
}

void Nemesis::blackout() {
    for (const auto& server : cluster_.servers()) end(*server, true);
}

// At most one: a majority that is gone comes back from no algorithm.
void Nemesis::lose_disk() {
    if (world_.profile.lost_disks == 0) return;
    world_.profile.lost_disks = 0;
    if (world_.telling) world_.tell("a disk is lost");
    cluster_.any().lose_disk();
}

// On one disk only, for the same reason, while the server is down.
void Nemesis::flip_bit() {
    if (world_.profile.bit_flips == 0) return;
    world_.profile.bit_flips = 0;
    Server& server = cluster_.any();
    if (world_.telling) world_.tell(std::format("a bit flips on the disk of {:x}", server.id()));
    end(server, false);
    server.flip_bit();
}

// A disk is copied, and some time later the copy takes its place: what a restored image of a
// virtual machine does. No algorithm survives that in general (a vote that was forgotten may be
// given twice), so it is done where everything that the server promised since is kept by all the
// others: then nothing may be lost, and the server must get its entries again.
void Nemesis::put_back_disk() {
    if (world_.profile.put_backs == 0) return;
    for (const auto& server : cluster_.servers()) {
        const auto copy = copies_.find(server->id());
        if (copy == copies_.end() || would_break_a_promise(*server, copy->second)) continue;
        if (world_.telling)
            world_.tell(
                std::format("the disk of {:x} is put back to an older state", server->id()));
        world_.profile.put_backs = 0; // at most once
        server->crash(true);
        server->put_back(copy->second);
        world_.scheduler.after(world_.between(1, 1000), [&back = *server] { back.start(); });
        return;
    }
    for (const auto& server : cluster_.servers())
        copies_.insert_or_assign(server->id(), server->disk());
}

bool Nemesis::would_break_a_promise(const Server& server, const Disk& copy) const {
    const LogDisk& now = server.disk().log;
    if (!server.up() || server.leads() || now.hard_state() != copy.log.hard_state()) return true;
    if (now.last() <= copy.log.last() || now.base() != copy.log.base()) return true;
    const std::optional<Term> last = now.term_at(now.last());
    return !std::ranges::all_of(cluster_.servers(), [&](const auto& other) {
        const LogDisk& theirs = other->disk().log;
        return other->up() && last && theirs.term_at(now.last()) == last;
    });
}

void Nemesis::partition() {
    if (world_.telling) world_.tell("partition");
    std::vector<bool> left;
    for (std::size_t i = 0; i < cluster_.servers().size(); ++i) {
        left.push_back(world_.random.below(2) == 0);
    }
    for (std::size_t from = 0; from < left.size(); ++from) {
        for (std::size_t to = 0; to < left.size(); ++to) {
            if (left[from] == left[to]) continue;
            cluster_.network().cut(cluster_.servers()[from]->id(), cluster_.servers()[to]->id());
        }
    }
}

void Nemesis::cut_one_way() {
    const ServerId from = cluster_.any().id();
    const ServerId to = cluster_.any().id();
    if (world_.telling) world_.tell(std::format("{:x} no longer reaches {:x}", from, to));
    cluster_.network().cut(from, to);
}

// One after the other is alone.
void Nemesis::roll_partition() {
    if (world_.telling) world_.tell("rolling partition");
    roll(world_.random.below(cluster_.servers().size()), 6);
}

void Nemesis::roll(std::size_t at, std::uint64_t rounds) {
    if (!world_.troubled) return;
    cluster_.network().heal();
    if (rounds == 0) return;
    isolate(cluster_.servers()[at % cluster_.servers().size()]->id());
    world_.scheduler.after(world_.between(50, 400),
                           [this, at, rounds] { roll(at + 1, rounds - 1); });
}

void Nemesis::isolate_leader() {
    const Server* leader = cluster_.any_leader();
    if (!leader) return;
    if (world_.telling) world_.tell(std::format("{:x} is cut off", leader->id()));
    isolate(leader->id());
}

void Nemesis::isolate(ServerId id) {
    for (const auto& server : cluster_.servers()) {
        cluster_.network().cut(id, server->id());
        cluster_.network().cut(server->id(), id);
    }
}

void Nemesis::pause() {
    Server* server = world_.random.below(2) == 0 ? cluster_.any_leader() : &cluster_.any();
    if (!server) return;
    const Time time = world_.between(10, 800);
    if (world_.telling) world_.tell(std::format("{:x} pauses for {} ms", server->id(), time));
    server->pause(time);
}

void Nemesis::jump_clock() {
    Server& server = cluster_.any();
    const Time by = world_.random.below(4) == 0 ? 3'600'000 : world_.between(1, 500);
    if (world_.telling) world_.tell(std::format("clock of {:x} jumps by {} ms", server.id(), by));
    server.jump_clock(by);
}

void Nemesis::fill_disk() {
    Server& server = cluster_.any();
    if (world_.telling) world_.tell(std::format("disk of {:x} is full", server.id()));
    server.fill_disk(true);
    world_.scheduler.after(world_.between(50, 1500), [&server] { server.fill_disk(false); });
}

void Nemesis::change_membership() {
    if (Server* leader = cluster_.any_leader()) change_membership(*leader);
}

void Nemesis::change_membership(Server& leader) {
    const Configuration& configuration = leader.core().configuration();
    using Kind = ChangeMembership::Kind;
    const auto pick = [&](const std::vector<ServerId>& from) {
        return from.empty() ? cluster_.any().id() : from[world_.random.below(from.size())];
    };
    ChangeMembership change;
    switch (world_.random.below(5)) {
        case 0: change = {.kind = Kind::remove, .server = pick(configuration.voters)}; break;
        case 1: change = {.kind = Kind::remove, .server = cluster_.any().id()}; break;
        case 2: // one that was a member before, perhaps
            change = {.kind = Kind::add_learner, .server = cluster_.any().id()};
            break;
        default:
            change = {.kind = Kind::promote, .server = pick(configuration.learners)};
            if (!configuration.learners.empty() || cluster_.servers().size() >= most_servers) break;
            Server& joining = cluster_.add_server();
            joining.start();
            change = {.kind = Kind::add_learner, .server = joining.id()};
    }
    if (world_.telling) {
        constexpr const char* names[] = {"add", "promote", "remove"};
        world_.tell(std::format("{:x} is to {} {:x}", leader.id(),
                                names[static_cast<int>(change.kind)], change.server));
    }
    leader.change(change);
}

void Nemesis::transfer() {
    Server* leader = cluster_.any_leader();
    if (!leader) return;
    const ServerId to = world_.random.below(3) == 0 ? no_server : cluster_.any().id();
    if (world_.telling) world_.tell(std::format("{:x} is to hand over to {:x}", leader->id(), to));
    leader->transfer(to);
}

void Nemesis::heal() {
    if (world_.telling) world_.tell("the network heals");
    cluster_.network().heal();
}

} // namespace hawser::raft::sim
