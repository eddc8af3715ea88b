#include "agent/server_list.h"

#include <algorithm>

namespace hawser::agent {
namespace {

// More servers than any raft group has voters and learners.
constexpr std::size_t most_servers = 64;

} // namespace

void ServerList::learn(const std::vector<std::string>& endpoints) {
    if (endpoints.empty()) return;
    const Endpoint first = all_.empty() ? Endpoint{} : all_[first_];
    all_ = configured_;
    for (const std::string& text : endpoints) {
        const auto endpoint = Endpoint::parse(text);
        if (!endpoint || endpoint->port == 0 || all_.size() >= most_servers) continue;
        if (std::ranges::find(all_, *endpoint) == all_.end()) all_.push_back(*endpoint);
    }
    first_ = 0;
    worked(first);
}

std::string ServerList::explain(const Endpoint& server, const Error& why) {
    std::string name = server.to_string();
    return why.message.contains(name) ? why.message : name + ": " + why.message;
}

std::vector<Endpoint> ServerList::in_turn() const {
    std::vector<Endpoint> order(all_);
    std::ranges::rotate(order, order.begin() + static_cast<std::ptrdiff_t>(first_));
    return order;
}

void ServerList::worked(const Endpoint& server) {
    const auto found = std::ranges::find(all_, server);
    if (found != all_.end()) first_ = static_cast<std::size_t>(found - all_.begin());
}

void ServerList::failed(const Endpoint& server) {
    const auto found = std::ranges::find(all_, server);
    if (found == all_.end()) return;
    first_ = (static_cast<std::size_t>(found - all_.begin()) + 1) % all_.size();
}

} // namespace hawser::agent
