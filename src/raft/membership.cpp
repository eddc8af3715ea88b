// Who belongs to the cluster: one change at a time (§4.1), learners first (§4.2.1).
#include <algorithm>
#include <format>
#include <utility>

#include "raft/core.h"

namespace hawser::raft {

namespace {

void add(std::vector<ServerId>& servers, ServerId server) {
    servers.insert(std::ranges::upper_bound(servers, server), server);
}

std::unexpected<Error> not_now(std::string why) {
    return fail(ErrorCode::failed_precondition, std::move(why));
}

} // namespace

// Single changes are only safe one after the other, and only once the leader has committed an
// entry of its own term: before that, a change of an earlier leader may still be in force
// somewhere, and its majority need not overlap with ours (Ongaro, raft-dev, 10 July 2015).
void Core::on(const ChangeMembership& change) {
    if (role_ != Role::leader) {
        refuse(ErrorCode::unavailable, "this server is not the leader");
    } else if (!term_is_committed() || log_.configuration_index() > commit_) {
        refuse(ErrorCode::unavailable, "an earlier change is not committed yet; try again");
    } else if (leading_.transfer) {
        refuse(ErrorCode::unavailable, "leadership is being handed to another server");
    } else if (Result<Configuration> configuration = changed(change); !configuration) {
        actions_.refused = std::move(configuration.error());
    } else {
        actions_.accepted =
            Accepted{.first_index = log_.last().index + 1, .term = hard_state_.term};
        append(EntryKind::configuration, make_payload(encode(*configuration)));
        track_peers();
        replicate();
    }
}

Result<Configuration> Core::changed(const ChangeMembership& change) const {
    Configuration configuration = log_.configuration();
    const ServerId server = change.server;
    switch (change.kind) {
        case ChangeMembership::Kind::add_learner:
            if (server == no_server) return fail(ErrorCode::invalid, "a server needs an id");
            if (configuration.names(server)) {
                return fail(ErrorCode::already_exists,
                            std::format("server {:016x} is a member already", server));
            }
            if (configuration.learners.size() >= max_learners) {
                return fail(ErrorCode::resource_exhausted,
                            std::format("{} servers are joining already", max_learners));
            }
            add(configuration.learners, server);
            return configuration;
        case ChangeMembership::Kind::promote:
            if (!configuration.learns(server)) {
                return fail(ErrorCode::not_found,
                            std::format("server {:016x} is not waiting to vote", server));
            }
            if (configuration.voters.size() >= max_voters) {
                return fail(ErrorCode::resource_exhausted,
                            std::format("{} servers vote already", max_voters));
            }
            if (!caught_up(leading_.peers.at(server))) {
                return not_now(std::format("server {:016x} has not caught up yet", server));
            }
            std::erase(configuration.learners, server);
            add(configuration.voters, server);
            break;
        case ChangeMembership::Kind::remove:
            if (!configuration.names(server)) {
                return fail(ErrorCode::not_found,
                            std::format("server {:016x} is not a member", server));
            }
            if (configuration.only_voter(server)) {
                return not_now("the last server that votes cannot be removed");
            }
            std::erase(configuration.learners, server);
            std::erase(configuration.voters, server);
            break;
    }
    if (Result<void> alive = check_majority_alive(configuration); !alive) {
        return fail(std::move(alive.error()));
    }
    return configuration;
}

// A change that leaves no majority to talk to could never be committed, nor undone.
Result<void> Core::check_majority_alive(const Configuration& configuration) const {
    const auto alive = static_cast<std::size_t>(
        std::ranges::count_if(configuration.voters, [this](ServerId voter) {
            return voter == id_ ||
                   leading_.peers.at(voter).heard_since(now_ - options_.election_max);
        }));
    if (alive >= configuration.quorum()) return {};
    return not_now(std::format("of the {} servers that would vote only {} are in contact",
                               configuration.voters.size(), alive));
}

bool Core::caught_up(const Progress& peer) const {
    return peer.state == Progress::State::replicate && peer.match >= leading_.caught_up_from &&
           peer.heard_since(now_ - options_.election_max);
}

// A server that was removed is still told so, for a while: it then knows that it need not hold
// elections.
void Core::track_peers() {
    const Configuration& configuration = log_.configuration();
    for (auto& [id, peer] : leading_.peers) {
        if (configuration.names(id) || peer.removed_by > 0) continue;
        peer.removed_by = log_.last().index;
        peer.told_until = now_ + 2 * options_.election_max;
    }
    for (const auto& servers : {configuration.voters, configuration.learners}) {
        for (const ServerId server : servers) {
            if (server == id_) continue;
            const auto [found, is_new] =
                leading_.peers.try_emplace(server, Progress{.next = log_.last().index + 1});
            found->second.removed_by = 0;
            if (!is_new) continue;
            leading_.caught_up_from = leading_.mark = log_.last().index;
            leading_.marked = now_;
        }
    }
}

// One that acknowledged its removal hears of its commitment with the next heartbeat.
void Core::forget_told_peers() {
    std::erase_if(leading_.peers, [this](auto& entry) {
        auto& [id, peer] = entry;
        if (peer.removed_by == 0 || now_ < peer.told_until) return false;
        end_snapshot(id, peer);
        return true;
    });
}

std::vector<PeerStatus> Core::peers() const {
    std::vector<PeerStatus> all;
    const Configuration& configuration = log_.configuration();
    for (const auto& [id, peer] : leading_.peers) {
        if (!configuration.names(id)) continue;
        all.push_back({.id = id,
                       .voter = configuration.votes(id),
                       .state = peer.state,
                       .match = peer.match,
                       .next = peer.next,
                       .appends_in_flight = peer.in_flight.size(),
                       .snapshot_bytes = peer.sending ? peer.sending->offset : 0,
                       .last_contact = peer.contact,
                       .caught_up = caught_up(peer),
                       .lost_entry = peer.lost_entry});
    }
    return all;
}

} // namespace hawser::raft
