#include "registry/draft.h"

#include <format>

#include "base/limits.h"

namespace hawser::registry {

const ResourcePtr* Draft::find(model::Kind kind, std::string_view key) const {
    if (!changed_.empty()) {
        const auto own = changed_.find(Key(kind, key));
        if (own != changed_.end()) return &own->second.value;
    }
    const Row* row = tables_.find(kind, key);
    return row == nullptr ? nullptr : &row->value;
}

std::size_t Draft::count(model::Kind kind) const {
    const std::ptrdiff_t growth = growth_[static_cast<std::size_t>(kind)];
    return tables_.rows(kind).size() + static_cast<std::size_t>(growth);
}

void Draft::put(model::Resource resource) {
    const model::Kind kind = model::kind_of(resource);
    std::string key = model::key_of(resource);
    const auto [place, added] = changed_.try_emplace(Key(kind, std::move(key)));
    Changed& changed = place->second;
    if (added) changed = as_it_was(place->first);
    const bool exists = changed.value != nullptr;
    if (exists && *changed.value == resource) return;
    if (!exists) ++growth_[static_cast<std::size_t>(kind)];
    changed.value = std::make_shared<const model::Resource>(std::move(resource));
}

void Draft::erase(model::Kind kind, std::string_view key) {
    const auto [place, added] = changed_.try_emplace(Key(kind, key));
    Changed& changed = place->second;
    if (added) changed = as_it_was(place->first);
    if (changed.value == nullptr) return;
    --growth_[static_cast<std::size_t>(kind)];
    changed.value = nullptr;
}

Draft::Changed Draft::as_it_was(const Key& key) const {
    const Row* row = tables_.find(key.first, key.second);
    return {.value = row == nullptr ? nullptr : row->value, .before = row};
}

Result<void> Draft::put_service(model::Service service) {
    const model::TrustDomain* domain = tables_.trust();
    if (domain == nullptr) {
        return fail(ErrorCode::failed_precondition, "there is no trust domain yet: hawser init");
    }
    if (const auto* known = get<model::Service>(service.name)) {
        service.vip4 = known->vip4;
        service.vip6 = known->vip6;
    } else {
        if (Result<void> fits = check_service_fits(service.name); !fits) return fits;
        if (Result<void> allocated = allocate_vips(service, *domain); !allocated) return allocated;
    }
    put(std::move(service));
    return {};
}

Result<void> Draft::check_service_fits(const std::string& name) const {
    if (count(model::Kind::service) < limits::services) return {};
    return fail(ErrorCode::resource_exhausted,
                std::format("service '{}': the mesh has {} services, the most it may", name,
                            limits::services));
}

Result<void> Draft::restore_service(model::Service service) {
    const bool known = get<model::Service>(service.name) != nullptr;
    if (known || vip_taken(service.vip4) || vip_taken(service.vip6)) {
        return put_service(std::move(service));
    }
    if (Result<void> fits = check_service_fits(service.name); !fits) return fits;
    new_vips_.insert({service.vip4, service.vip6});
    put(std::move(service));
    return {};
}

// The draft's own new services count too: the cursor is behind them, but a range that wraps meets
// them again.
bool Draft::vip_taken(const IpAddress& address) const {
    return tables_.vip_taken(address) || new_vips_.contains(address);
}

Result<void> Draft::allocate_vips(model::Service& service, const model::TrustDomain& domain) {
    const auto taken = [this](const IpAddress& address) { return vip_taken(address); };
    const std::size_t most_taken = tables_.vips() + new_vips_.size();
    const auto vip4 = allocate_vip(domain.vip4, meta_.cursors.next4, most_taken, taken);
    const auto vip6 = allocate_vip(domain.vip6, meta_.cursors.next6, most_taken, taken);
    if (!vip4 || !vip6) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("service '{}': no address is left in {}", service.name,
                                (vip4 ? domain.vip6 : domain.vip4).to_string()));
    }
    service.vip4 = *vip4;
    service.vip6 = *vip6;
    new_vips_.insert({*vip4, *vip6});
    return {};
}

Outcome Draft::finish(std::uint64_t index) && {
    Outcome outcome{.index = index, .changes = {}, .verbs = {}, .before = {}};
    for (auto& [key, changed] : changed_) {
        const Row* before = changed.before;
        ResourcePtr& value = changed.value;
        if (before == nullptr && value == nullptr) continue;
        // Put back to what it was, or never another.
        if (before != nullptr && value != nullptr &&
            (before->value == value || *before->value == *value))
            continue;
        outcome.verbs.push_back(before == nullptr  ? model::Verb::created
                                : value == nullptr ? model::Verb::deleted
                                                   : model::Verb::changed);
        outcome.before.push_back(before == nullptr ? nullptr : before->value);
        outcome.changes.push_back(
            {.kind = key.first, .key = key.second, .index = index, .value = std::move(value)});
    }
    return outcome;
}

} // namespace hawser::registry
