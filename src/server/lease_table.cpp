#include "server/lease_table.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

namespace hawser::server {

void LeaseTable::begin(Time now) {
    begun_ = now;
    sightings_.clear();
    out_since_.clear();
}

void LeaseTable::forgive(Duration pause) {
    begun_ += pause;
    for (auto& [node, sighting] : sightings_) sighting.at += pause;
}

void LeaseTable::sighted(Sighting sighting) {
    Sighting& known = sightings_[sighting.node];
    if (sighting.at >= known.at) known = std::move(sighting);
}

void LeaseTable::reported(Sighting sighting, bool connected_here) {
    if (!sighting.left || !connected_here) sighted(std::move(sighting));
}

bool LeaseTable::silent(const std::string& node, Time now) const {
    const auto found = sightings_.find(node);
    if (found == sightings_.end()) return now - begun_ > timeout_;
    return has_left(node) || now - std::max(found->second.at, begun_) > timeout_;
}

// What it said to somebody before this server led, it may have taken back to somebody else.
bool LeaseTable::has_left(const std::string& node) const {
    const auto found = sightings_.find(node);
    return found != sightings_.end() && found->second.left && found->second.at >= begun_;
}

bool LeaseTable::back(const std::string& node) const {
    const auto seen = sightings_.find(node);
    return seen != sightings_.end() && seen->second.registered &&
           seen->second.at > out_since_.at(node);
}

void LeaseTable::remember(const std::vector<const model::Node*>& nodes, Time now) {
    std::set<std::string_view> names, out;
    for (const model::Node* node : nodes) {
        names.insert(node->name);
        if (node->alive) continue;
        out.insert(node->name);
        out_since_.try_emplace(node->name, now);
    }
    std::erase_if(sightings_, [&](const auto& entry) { return !names.contains(entry.first); });
    std::erase_if(out_since_, [&](const auto& entry) { return !out.contains(entry.first); });
}

std::vector<LeaseTable::Verdict> LeaseTable::judge(const std::vector<const model::Node*>& nodes,
                                                   Time now) {
    remember(nodes, now);
    std::vector<Verdict> verdicts;
    for (const model::Node* node : nodes) {
        const bool is_silent = silent(node->name, now);
        if (node->alive && is_silent) {
            verdicts.push_back({.node = node->name, .alive = false});
        } else if (!node->alive && !is_silent && back(node->name)) {
            verdicts.push_back({.node = node->name, .alive = true});
        }
    }
    return verdicts;
}

std::optional<std::uint64_t> LeaseTable::enforced_by(const std::string& node) const {
    const auto found = sightings_.find(node);
    if (found == sightings_.end()) return std::nullopt;
    return found->second.enforced_index;
}

} // namespace hawser::server
