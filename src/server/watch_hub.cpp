#include "server/watch_hub.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>
#include <variant>

namespace hawser::server {

namespace {

// What a change keeps in memory, roughly: an agent may give its instances thousands of bytes of
// labels and change them all day.
std::size_t bytes_of(const model::Change& change) {
    constexpr std::size_t each = 512, of_label = 112, of_text = 32;
    std::size_t bytes = each + change.key.size();
    if (change.deleted()) return bytes;
    if (const auto* instance = std::get_if<model::Instance>(change.value.get())) {
        bytes += instance->health_reason.size();
        for (const auto& [name, value] : instance->labels)
            bytes += of_label + name.size() + value.size();
    } else if (const auto* policy = std::get_if<model::Policy>(change.value.get())) {
        for (const std::string& caller : policy->from) bytes += of_text + caller.size();
    } else if (const auto* node = std::get_if<model::Node>(change.value.get())) {
        for (const std::string& service : node->allowed_services) bytes += of_text + service.size();
    }
    return bytes;
}

} // namespace

void WatchHub::publish(std::uint64_t index, const std::vector<model::Change>& changes) {
    index_ = index;
    for (const model::Change& change : changes) {
        if (!model::visible_to_agents(change.kind)) continue;
        recent_.push_back(change);
        bytes_ += bytes_of(change);
    }
    while (recent_.size() > capacity_ || bytes_ > most_bytes) forget_oldest();
    for (io::Signal* follower : followers_) follower->notify();
}

void WatchHub::reset(std::uint64_t index) {
    index_ = held_from_ = index;
    recent_.clear();
    bytes_ = 0;
    for (io::Signal* follower : followers_) follower->notify();
}

void WatchHub::close() {
    closed_ = true;
    for (io::Signal* follower : followers_) follower->notify();
}

// All of an index or nothing: half of an atomic apply is no state to be in.
void WatchHub::forget_oldest() {
    held_from_ = recent_.front().index;
    while (!recent_.empty() && recent_.front().index == held_from_) {
        bytes_ -= bytes_of(recent_.front());
        recent_.pop_front();
    }
}

std::optional<std::vector<model::Change>> WatchHub::since(std::uint64_t have) const {
    if (have < held_from_ || have > index_) return std::nullopt;
    const auto first = std::ranges::upper_bound(recent_, have, {}, &model::Change::index);
    std::set<std::pair<model::Kind, std::string_view>> seen;
    std::vector<model::Change> latest;
    for (auto change = recent_.end(); change != first;) {
        --change;
        if (seen.emplace(change->kind, change->key).second) latest.push_back(*change);
    }
    std::ranges::reverse(latest);
    return latest;
}

std::optional<WatchHub::Changes> WatchHub::each_since(std::uint64_t have, std::size_t most) const {
    if (have < held_from_ || have > index_) return std::nullopt;
    Changes next{.index = index_, .changes = {}};
    auto change = std::ranges::upper_bound(recent_, have, {}, &model::Change::index);
    for (; change != recent_.end(); ++change) {
        const bool whole = next.changes.empty() || next.changes.back().index != change->index;
        if (whole && next.changes.size() >= most) {
            next.index = next.changes.back().index;
            break;
        }
        next.changes.push_back(*change);
    }
    return next;
}

} // namespace hawser::server
