#include "cluster.h"

#include <algorithm>
#include <format>
#include <utility>

#include "nemesis.h"

namespace hawser::raft::sim {

namespace {

// After the mending: many times what an election takes at worst.
constexpr Time recovery_most = 10'000;

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
            write_somewhere();
        }
        run_client();
    });
}

void Cluster::write_somewhere() {
    Server* leader = any_leader();
    if (!leader) return;
    std::vector<Operation> operations;
    for (std::uint64_t i = 0; i < world_.profile.batch; ++i) {
        const std::uint64_t command = ++last_command_;
        const bool proves = !world_.troubled;
        operations.push_back({.command = command,
                              .completed_before = world_.oracle.completed(),
                              .done = [this, proves] {
                                  if (proves) proof_.written = world_.oracle.completed();
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
    while (world_.oracle.content() && world_.scheduler.run_one(world_.profile.trouble_ends)) {
    }
    if (!world_.oracle.content()) return;
    mend();
    prove_life();
}

void Cluster::mend() {
    world_.troubled = false;
    if (world_.telling) world_.tell("everything is mended");
    network_.heal();
    for (const auto& server : servers_) {
        server->mend();
        server->start();
    }
}

void Cluster::prove_life() {
    if (!majority_is_left()) return;
    const Time end = world_.scheduler.now() + recovery_most;
    probe();
    while (world_.oracle.content() && !recovered() && world_.scheduler.run_one(end)) {
    }
    if (!world_.oracle.content() || recovered() || !majority_is_left()) return;
    world_.oracle.fail(std::format(
        "liveness: {} ms after everything was mended there is {}", recovery_most,
        proof_.written == 0 ? "still no write that succeeds" : "still a member that lags behind"));
}

// That of the longest log, which is most likely to win.
const Configuration& Cluster::newest_configuration() const {
    const Server* newest = nullptr;
    for (const auto& server : servers_) {
        if (!server->up()) continue;
        if (!newest || server->core().last() > newest->core().last()) newest = server.get();
    }
    return newest->core().configuration();
}

bool Cluster::majority_is_left() const {
    if (std::ranges::none_of(servers_, [](const auto& server) { return server->up(); }))
        return false;
    const Configuration& configuration = newest_configuration();
    const auto alive = std::ranges::count_if(servers_, [&](const auto& server) {
        return server->up() && configuration.votes(server->id());
    });
    return static_cast<std::size_t>(alive) >= configuration.quorum();
}

void Cluster::probe() {
    for (const auto& server : servers_) {
        if (!server->up()) continue;
        server->read({.completed_before = world_.oracle.completed(),
                      .done = [this, id = server->id()] { proof_.read_at.push_back(id); }});
    }
    write_somewhere();
    world_.scheduler.after(50, [this] { probe(); });
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

// A write succeeded, and everybody who belongs to the cluster has it and answers reads.
bool Cluster::recovered() const {
    if (proof_.written == 0) return false;
    const Configuration& configuration = newest_configuration();
    return std::ranges::all_of(servers_, [&](const auto& server) {
        if (!server->up() || !configuration.names(server->id())) return true;
        return server->machine().applied >= proof_.written &&
               std::ranges::contains(proof_.read_at, server->id());
    });
}

} // namespace hawser::raft::sim
