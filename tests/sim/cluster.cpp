#include "cluster.h"

#include <algorithm>
#include <format>
#include <utility>

#include "nemesis.h"

namespace hawser::raft::sim {

namespace {

// After the mending: many times what an election takes at worst.
constexpr Time recovery_most = 10'000;
constexpr Time last_transfers = 1'000; // of leadership, asked for by the nemesis
constexpr Time calm_time = 1'500;
constexpr std::uint64_t most_tasks = 3'000'000; // of a run; hundred times what one needs

} // namespace

Cluster::Cluster(World& world)
    : world_(world), network_(world, [this](Message message) {
          if (Server* to = find(message.to)) to->receive(std::move(message));
      }) {
    std::vector<ServerId> founders;
    for (std::size_t i = 0; i < world.profile.servers; ++i) founders.push_back(add_server().id());
    for (const auto& server : servers_) {
        server->bootstrap(founders);
        server->start();
    }
}

Server& Cluster::add_server() {
    const ServerId id = 0x10 * (servers_.size() + 1) + world_.random.below(16);
    servers_.push_back(std::make_unique<Server>(world_, network_, id));
    if (world_.profile.clocks_drift && world_.troubled) {
        servers_.back()->set_clock_rate(0.8 + 0.4 * world_.random.unit());
    }
    return *servers_.back();
}

Server* Cluster::find(ServerId id) {
    const auto found =
        std::ranges::find(servers_, id, [](const auto& server) { return server->id(); });
    return found == servers_.end() ? nullptr : found->get();
}

Server& Cluster::any() {
    return *servers_[world_.random.below(servers_.size())];
}

Server* Cluster::any_leader() {
    std::vector<Server*> leaders;
    for (const auto& server : servers_) {
        if (server->leads()) leaders.push_back(server.get());
    }
    return leaders.empty() ? nullptr : leaders[world_.random.below(leaders.size())];
}

// --- clients ---------------------------------------------------------------------------------

void Cluster::run_client() {
    world_.scheduler.after(world_.between(0, 2 * world_.profile.think), [this] {
        if (!world_.troubled) return; // the proof of life has its own
        if (world_.random.below(3) == 0) {
            read_somewhere();
        } else {
            write_somewhere(world_.profile.batch);
        }
        run_client();
    });
}

void Cluster::write_somewhere(std::uint64_t batch) {
    Server* leader = any_leader();
    if (!leader) return;
    std::vector<Operation> operations;
    for (std::uint64_t i = 0; i < batch; ++i) {
        const std::uint64_t command = ++last_command_;
        const bool proves = !world_.troubled;
        operations.push_back({.command = command,
                              .completed_before = world_.oracle.completed(),
                              .done = [this, proves] {
                                  if (!proves || proof_.written > 0) return;
                                  proof_.written = world_.oracle.completed();
                              }});
    }
    leader->write(std::move(operations));
}

void Cluster::read_somewhere() {
    Server& server = any();
    if (!server.up()) return;
    server.read({.completed_before = world_.oracle.completed(), .done = [] {}});
}

// --- the run ---------------------------------------------------------------------------------

void Cluster::run() {
    Nemesis nemesis(*this);
    nemesis.begin();
    for (std::size_t i = 0; i < world_.profile.clients; ++i) run_client();
    for (std::size_t i = 0; i < world_.profile.watchers; ++i) {
        watchers_.push_back(std::make_unique<Watcher>(*this));
        watchers_.back()->begin();
    }
    run_until(world_.profile.trouble_ends);
    if (!world_.oracle.content()) return;
    mend();
    prove_life();
}

void Cluster::run_until(Time end, bool (Cluster::*or_when)() const) {
    while (world_.oracle.content() && (!or_when || !(this->*or_when)()) &&
           world_.scheduler.run_one(end)) {
        if (world_.scheduler.tasks() > most_tasks) world_.oracle.fail("liveness: busy without end");
    }
}

void Cluster::mend() {
    world_.troubled = false;
    if (world_.telling) world_.tell("everything is mended");
    network_.heal();
    for (const auto& server : servers_) {
        server->mend();
        server->start();
    }
    if (world_.random.below(2) == 0) forsake_some();
}

// A minority may stay broken.
void Cluster::forsake_some() {
    for (const auto& server : servers_) {
        if (world_.random.below(2) == 0) continue;
        proof_.forsaken.push_back(server->id());
        if (!majority_is_left()) proof_.forsaken.pop_back();
    }
    if (!proof_.forsaken.empty()) ++world_.counts.partly_mended;
    for (const ServerId id : proof_.forsaken) forsake(*find(id));
}

// Down, or deaf, or mute, or both: as far as the others can tell.
void Cluster::forsake(Server& server) {
    const std::uint64_t how = world_.random.below(4);
    if (world_.telling) {
        constexpr const char* fates[] = {"down", "deaf", "mute", "cut off"};
        world_.tell(std::format("but {:x} is {}", server.id(), fates[how]));
    }
    if (how == 0) return server.lose_disk();
    for (const auto& other : servers_) {
        if (how == 1 || how == 3) network_.cut(other->id(), server.id());
        if (how == 2 || how == 3) network_.cut(server.id(), other->id());
    }
}

void Cluster::prove_life() {
    if (!majority_is_left()) {
        ++world_.counts.hopeless;
        return;
    }
    probe();
    run_until(world_.scheduler.now() + recovery_most, &Cluster::recovered);
    if (!world_.oracle.content()) return;
    if (recovered()) return prove_calm();
    world_.oracle.fail(std::format(
        "liveness: {} ms after everything was mended there is {}", recovery_most,
        proof_.written == 0 ? "still no write that succeeds" : "still a member that lags behind"));
}

// Without a reason there is no election: neither members nor those that were removed bring one
// about, nor does one that loses touch with the leader, or with everybody, for a while. Nobody
// writes, so that logs are no reason to refuse a vote.
void Cluster::prove_calm() {
    proof_.over = true;
    run_until(world_.scheduler.now() + last_transfers);
    if (!world_.oracle.content()) return;
    const Reign reign = present_reign();
    if (!newest()->core().configuration().votes(reign.leader)) {
        world_.oracle.fail(std::format("server {:x} leads without a vote", reign.leader));
    }
    expect(reign, "nothing happened");
    if (!world_.oracle.content() || !proof_.forsaken.empty() || !cut_off_somebody()) return;
    expect(reign, "a follower was out of touch");
    network_.heal();
    proof_.forsaken.clear();
    expect(reign, "a follower came back");
}

Cluster::Reign Cluster::present_reign() const {
    return {.leader = newest()->core().leader(), .term = newest()->core().term()};
}

void Cluster::expect(Reign reign, const char* although) {
    run_until(world_.scheduler.now() + calm_time);
    const Reign now = present_reign();
    if (!world_.oracle.content() || now == reign) return;
    world_.oracle.fail(
        std::format("liveness: although {}, the leader changes from {:x} in term {} "
                    "to {:x} in term {}",
                    although, reign.leader, reign.term, now.leader, now.term));
}

// A follower whom the others do not need.
bool Cluster::cut_off_somebody() {
    const ServerId leader = newest()->core().leader();
    const Configuration& configuration = newest()->core().configuration();
    const Server& server = any();
    if (server.id() == leader || !configuration.votes(server.id())) return false;
    proof_.forsaken = {server.id()};
    if (!majority_is_left()) return false;
    const bool from_all = world_.random.below(2) == 0;
    if (world_.telling) {
        world_.tell(std::format("{:x} is cut off from {}", server.id(),
                                from_all ? "everybody" : "its leader"));
    }
    for (const auto& other : servers_) {
        if (!from_all && other->id() != leader) continue;
        network_.cut(other->id(), server.id());
        network_.cut(server.id(), other->id());
    }
    ++world_.counts.returns;
    return true;
}

// The one that could lead, of those that are whole.
const Server* Cluster::newest() const {
    const Server* newest = nullptr;
    const auto rank = [](const Server& server) {
        const Position last = server.core().last();
        return std::pair(last.term, last.index);
    };
    for (const auto& server : servers_) {
        if (!server->up() || std::ranges::contains(proof_.forsaken, server->id())) continue;
        if (!newest || rank(*server) > rank(*newest)) newest = server.get();
    }
    return newest;
}

// By everybody's idea of who votes.
bool Cluster::majority_is_left() const {
    const auto whole = [this](ServerId id) {
        const auto found =
            std::ranges::find(servers_, id, [](const auto& server) { return server->id(); });
        return found != servers_.end() && (*found)->up() &&
               !std::ranges::contains(proof_.forsaken, id);
    };
    if (!newest() || newest()->core().configuration().voters.empty()) return false;
    return std::ranges::all_of(servers_, [&](const auto& server) {
        if (!server->up()) return true;
        const Configuration& configuration = server->core().configuration();
        const auto left = std::ranges::count_if(configuration.voters, whole);
        return configuration.voters.empty() ||
               static_cast<std::size_t>(left) >= configuration.quorum();
    });
}

void Cluster::probe() {
    if (proof_.over) return;
    for (const auto& server : servers_) {
        if (!server->up()) continue;
        server->read({.completed_before = world_.oracle.completed(),
                      .done = [this, id = server->id()] { proof_.read_at.push_back(id); }});
    }
    write_somewhere(1);
    world_.scheduler.after(50, [this] { probe(); });
}

// A write succeeded, everybody who belongs to the cluster has it and answers reads, and watchers
// have seen it.
bool Cluster::recovered() const {
    if (proof_.written == 0) return false;
    for (const auto& watcher : watchers_) {
        if (watcher->has() < proof_.written) return false;
    }
    const Configuration& configuration = newest()->core().configuration();
    return std::ranges::all_of(servers_, [&](const auto& server) {
        if (!server->up() || !configuration.names(server->id()) ||
            std::ranges::contains(proof_.forsaken, server->id())) {
            return true;
        }
        return server->machine().applied >= proof_.written &&
               std::ranges::contains(proof_.read_at, server->id());
    });
}

void Cluster::describe() const {
    constexpr const char* states[] = {"probe", "replicate", "snapshot"};
    for (const auto& server : servers_) {
        if (!server->up()) {
            world_.tell(std::format("{:x} is down", server->id()));
            continue;
        }
        const Core& core = server->core();
        world_.tell(std::format(
            "{:x} {} term {} leader {:x}, log {} … {}, commit {}, applied {}, jobs {}, "
            "wakes in {}",
            server->id(), to_string(core.role()), core.term(), core.leader(), core.first_index(),
            core.last_index(), core.commit_index(), server->machine().applied, server->jobs(),
            core.wake_at() ? (*core.wake_at() - server->clock()).count() : -1));
        const Configuration& configuration = core.configuration();
        for (const ServerId voter : configuration.voters)
            world_.tell(std::format("    voter {:x}", voter));
        for (const ServerId learner : configuration.learners)
            world_.tell(std::format("    learner {:x}", learner));
        for (const PeerStatus& peer : core.peers()) {
            world_.tell(std::format("    knows {:x}: {}, match {}, next {}, {} in flight", peer.id,
                                    states[static_cast<int>(peer.state)], peer.match, peer.next,
                                    peer.appends_in_flight));
        }
    }
}

} // namespace hawser::raft::sim
