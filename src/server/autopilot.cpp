#include "server/autopilot.h"

#include <algorithm>

namespace hawser::server {

namespace {

const model::Server* row_of(const ClusterView& view, raft::ServerId id) {
    const auto found = std::ranges::find(view.servers, id, &model::Server::id);
    return found == view.servers.end() ? nullptr : &*found;
}

// Fewer survive the loss of none: the dead one costs nothing until another took its place. So it
// is with Consul's autopilot, too.
constexpr std::size_t fewest_voters = 3;

} // namespace

Autopilot::Step Autopilot::next(const ClusterView& view) {
    remember(view);
    if (Step step = leave(view); !std::holds_alternative<Nothing>(step)) return step;
    if (Step step = join(view); !std::holds_alternative<Nothing>(step)) return step;
    return clean_up(view);
}

void Autopilot::remember(const ClusterView& view) {
    std::erase_if(heard_, [&](const auto& entry) { return !row_of(view, entry.first); });
    std::erase_if(caught_up_since_,
                  [&](const auto& entry) { return !view.configuration.learns(entry.first); });
    for (const model::Server& server : view.servers) heard_.try_emplace(server.id, view.now);
    for (const raft::PeerStatus& peer : view.peers) {
        const auto heard = heard_.find(peer.id);
        if (heard != heard_.end() && peer.last_contact)
            heard->second = std::max(heard->second, *peer.last_contact);
        if (peer.caught_up) {
            caught_up_since_.try_emplace(peer.id, view.now);
        } else {
            caught_up_since_.erase(peer.id);
        }
    }
}

Duration Autopilot::silence(const ClusterView& view, raft::ServerId id) const {
    const auto heard = heard_.find(id);
    return heard == heard_.end() ? Duration::zero() : Duration(view.now - heard->second);
}

// Those without a row come from a configuration that was forced on the survivors. Who is silent
// goes first: raft lets nobody go whose absence leaves no majority that is heard, and the silent
// are what lacks in it.
Autopilot::Step Autopilot::leave(const ClusterView& view) const {
    const raft::ServerId nobody = raft::no_server;
    raft::ServerId first = nobody, silent = nobody;
    for (const auto& members : {view.configuration.voters, view.configuration.learners}) {
        for (const raft::ServerId id : members) {
            const model::Server* row = row_of(view, id);
            if (id == view.self) {
                if (row != nullptr && row->leaving && first == nobody) first = id;
            } else if (row == nullptr || row->leaving) {
                if (first == nobody) first = id;
                if (silent == nobody && silence(view, id) >= options_.stable_for) silent = id;
            }
        }
    }
    if (silent != nobody) return Drop{.server = silent};
    if (first == view.self) return HandOver{};
    if (first != nobody) return Drop{.server = first};
    for (const model::Server& server : view.servers) {
        if (server.leaving && !view.configuration.names(server.id))
            return Forget{.server = server.id};
    }
    return Nothing{};
}

Autopilot::Step Autopilot::join(const ClusterView& view) const {
    for (const raft::ServerId id : view.configuration.learners) {
        const auto since = caught_up_since_.find(id);
        if (view.configuration.voters.size() < raft::max_voters &&
            since != caught_up_since_.end() && view.now - since->second >= options_.stable_for)
            return Promote{.server = id};
    }
    for (const model::Server& server : view.servers) {
        if (!server.leaving && !view.configuration.names(server.id))
            return AddLearner{.server = server.id};
    }
    return Nothing{};
}

// One at a time, and only while those who are heard remain a majority without it.
Autopilot::Step Autopilot::clean_up(const ClusterView& view) const {
    if (options_.dead_after == Duration::zero()) return Nothing{};
    const auto alive = std::ranges::count_if(view.configuration.voters, [&](raft::ServerId id) {
        return id == view.self || silence(view, id) < options_.stable_for;
    });
    for (const model::Server& server : view.servers) {
        const Duration silent = silence(view, server.id);
        if (server.id == view.self || silent < options_.dead_after) continue;
        const bool votes = view.configuration.votes(server.id);
        const std::size_t left = view.configuration.voters.size() - (votes ? 1 : 0);
        if (votes && (left < fewest_voters || static_cast<std::size_t>(alive) <= left / 2))
            continue;
        return SendAway{.name = server.name, .silent = silent};
    }
    return Nothing{};
}

} // namespace hawser::server
