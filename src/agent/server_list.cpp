#include "agent/server_list.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>

#include "base/random.h"

namespace hawser::agent {
namespace {

// More addresses than any cluster has.
constexpr std::size_t most_servers = 64;

// FNV-1a; the generator spreads what it says over all bits.
std::uint64_t rank(std::string_view node, const Endpoint& server) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char byte : std::string(node) + '\n' + server.to_string())
        hash = (hash ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3;
    return Random(hash).next();
}

} // namespace

ServerList::ServerList(std::vector<Endpoint> configured, std::string node)
    : node_(std::move(node)), configured_(std::move(configured)) {
    sort(configured_);
    all_ = configured_;
}

void ServerList::sort(std::vector<Endpoint>& servers) const {
    std::ranges::sort(servers, std::greater(),
                      [this](const Endpoint& server) { return rank(node_, server); });
}

void ServerList::learn(const std::vector<std::string>& endpoints) {
    if (endpoints.empty()) return;
    const Endpoint first = all_.empty() ? Endpoint{} : all_[first_];
    all_.clear();
    const auto add = [this](const Endpoint& server) {
        if (!std::ranges::contains(all_, server)) all_.push_back(server);
    };
    for (const std::string& text : endpoints) {
        const auto endpoint = Endpoint::parse(text);
        if (endpoint && endpoint->port != 0 && all_.size() < most_servers) add(*endpoint);
    }
    sort(all_);
    std::ranges::for_each(configured_, add);
    first_ = 0;
    worked(first);
}

bool ServerList::worth_another(ErrorCode code) {
    return code == ErrorCode::unavailable || code == ErrorCode::deadline_exceeded ||
           code == ErrorCode::resource_exhausted || code == ErrorCode::internal ||
           code == ErrorCode::unknown || code == ErrorCode::aborted || code == ErrorCode::cancelled;
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
