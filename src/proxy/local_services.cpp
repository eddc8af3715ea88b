#include <algorithm>

#include "proxy/view.h"

namespace hawser::proxy {

LocalServices::LocalServices(std::vector<LocalService> services) : services_(std::move(services)) {
    for (const LocalService& service : services_) {
        if (!service.owner) continue;
        auto [entry, added] = by_owner_.try_emplace(*service.owner, service.name);
        if (!added && entry->second != service.name) entry->second.clear();
    }
}

const LocalService* LocalServices::find(std::string_view name, std::uint16_t port) const {
    const auto found = std::ranges::find_if(services_, [&](const LocalService& service) {
        return service.port == port && port != 0 && service.name == name;
    });
    return found == services_.end() ? nullptr : &*found;
}

bool LocalServices::has(std::string_view name) const {
    return std::ranges::contains(services_, name, &LocalService::name);
}

std::string_view LocalServices::owned_by(uid_t user) const {
    const auto found = by_owner_.find(user);
    return found == by_owner_.end() ? std::string_view() : std::string_view(found->second);
}

bool LocalServices::may_speak_as(uid_t user, std::string_view name) const {
    bool restricted = false;
    for (const LocalService& service : services_) {
        if (service.name != name || !service.owner) continue;
        if (*service.owner == user) return true;
        restricted = true;
    }
    return !restricted;
}

} // namespace hawser::proxy
