#include "watch.h"

#include <algorithm>

#include "cluster.h"

namespace hawser::raft::sim {

void History::add(const Entry& entry) {
    index_ = entry.index;
    if (entry.kind != EntryKind::command) return;
    changes_.push_back({.index = entry.index, .command = command_number(entry)});
    if (changes_.size() <= capacity_) return;
    held_from_ = changes_.front().index;
    changes_.pop_front();
}

std::optional<std::vector<Change>> History::since(Index have) const {
    if (have < held_from_) return std::nullopt;
    const auto first = std::ranges::upper_bound(changes_, have, {}, &Change::index);
    return std::vector<Change>(first, changes_.end());
}

Watcher::Watcher(Cluster& cluster) : cluster_(cluster), world_(cluster.world()) {}

void Watcher::begin() {
    world_.scheduler.after(world_.between(1, 60), [this] {
        ask();
        begin();
    });
}

// Stays with its server while that has news, and now and then goes to another all the same.
void Watcher::ask() {
    Server* server = cluster_.find(server_);
    if (!server || !server->up() || world_.random.below(8) == 0) server = &cluster_.any();
    server_ = server->id();
    if (server->up()) ask(*server);
}

// A server that is behind has nothing to tell; another may. What does not arrive breaks the stream:
// the watcher still has what it had.
void Watcher::ask(Server& server) {
    const History& history = server.history();
    if (history.index() <= have_) {
        if (world_.random.below(4) == 0) server_ = no_server;
        return;
    }
    if (world_.troubled && world_.random.below(8) == 0) return;
    if (const std::optional<std::vector<Change>> changes = history.since(have_)) {
        world_.oracle.watched(have_, *changes, history.index());
        ++world_.counts.watched;
    } else {
        world_.oracle.resynced(server.machine());
        ++world_.counts.resynced;
    }
    have_ = history.index();
}

} // namespace hawser::raft::sim
