#include "registry/tables.h"

#include "base/check.h"

namespace hawser::registry {

namespace {

std::size_t place(model::Kind kind) {
    const auto number = static_cast<std::size_t>(kind);
    HAWSER_CHECK(number >= 1 && number < kind_places);
    return number;
}

// What take_in() keeps of both is the same: a service keeps its addresses as long as it lives.
bool same_in_indexes(const model::Resource& before, const model::Resource& after) {
    const auto* old_service = std::get_if<model::Service>(&before);
    const auto* new_service = std::get_if<model::Service>(&after);
    return old_service != nullptr && new_service != nullptr &&
           old_service->vip4 == new_service->vip4 && old_service->vip6 == new_service->vip6;
}

const model::Instance* as_instance(const Row& row) {
    return std::get_if<model::Instance>(row.value.get());
}

} // namespace

const Table& Tables::rows(model::Kind kind) const {
    return tables_[place(kind)];
}

const Row* Tables::find(model::Kind kind, std::string_view key) const {
    const Table& table = rows(kind);
    const auto found = table.find(key);
    return found == table.end() ? nullptr : &found->second;
}

// There is at most one, whatever its name.
const model::TrustDomain* Tables::trust() const {
    const Table& table = rows(model::Kind::trust_domain);
    return table.empty() ? nullptr
                         : std::get_if<model::TrustDomain>(table.begin()->second.value.get());
}

const model::Authority* Tables::authority() const {
    const Table& table = rows(model::Kind::authority);
    return table.empty() ? nullptr
                         : std::get_if<model::Authority>(table.begin()->second.value.get());
}

std::uint64_t Tables::authority_index() const {
    const Table& table = rows(model::Kind::authority);
    return table.empty() ? 0 : table.begin()->second.index;
}

// An instance's key begins with its node's name and '/', which no name contains: they lie together.
std::vector<const model::Instance*> Tables::instances_of_node(std::string_view node) const {
    const std::string prefix = std::string(node) + "/";
    std::vector<const model::Instance*> instances;
    const Table& table = rows(model::Kind::instance);
    for (auto row = table.lower_bound(prefix); row != table.end(); ++row) {
        if (!row->first.starts_with(prefix)) break;
        instances.push_back(as_instance(row->second));
    }
    return instances;
}

std::vector<const model::Instance*> Tables::instances_of_service(std::string_view service) const {
    std::vector<const model::Instance*> instances;
    if (!has_instances(service)) return instances;
    for (const auto& [key, row] : rows(model::Kind::instance)) {
        const model::Instance* instance = as_instance(row);
        if (instance->service == service) instances.push_back(instance);
    }
    return instances;
}

bool Tables::has_instances(std::string_view service) const {
    return instances_.contains(service);
}

std::vector<const model::Server*> Tables::servers() const {
    std::vector<const model::Server*> servers;
    for (const auto& [name, row] : rows(model::Kind::server)) {
        servers.push_back(std::get_if<model::Server>(row.value.get()));
    }
    return servers;
}

const model::Server* Tables::server(std::uint64_t id) const {
    for (const model::Server* server : servers()) {
        if (server->id == id) return server;
    }
    return nullptr;
}

std::vector<model::Change> Tables::all() const {
    std::vector<model::Change> changes;
    for (std::size_t kind = 1; kind < tables_.size(); ++kind) {
        for (const auto& [key, row] : tables_[kind]) {
            changes.push_back({.kind = static_cast<model::Kind>(kind),
                               .key = key,
                               .index = row.index,
                               .value = row.value});
        }
    }
    return changes;
}

void Tables::carry_out(const model::Change& change) {
    Table& table = tables_[place(change.kind)];
    auto place = table.lower_bound(change.key);
    const bool known = place != table.end() && place->first == change.key;
    if (known && !change.deleted() && same_in_indexes(*place->second.value, *change.value)) {
        place->second = {.value = change.value, .index = change.index};
        return;
    }
    if (known) let_go(*place->second.value);
    if (change.deleted()) {
        if (known) table.erase(place);
        return;
    }
    if (!known) place = table.emplace_hint(place, change.key, Row());
    place->second = {.value = change.value, .index = change.index};
    take_in(*change.value);
}

void Tables::take_in(const model::Resource& resource) {
    if (const auto* service = std::get_if<model::Service>(&resource)) {
        vips_.insert(service->vip4);
        vips_.insert(service->vip6);
    } else if (const auto* instance = std::get_if<model::Instance>(&resource)) {
        ++instances_[instance->service];
    } else if (const auto* entry = std::get_if<model::HistoryEntry>(&resource)) {
        history_.add(*entry);
    }
}

void Tables::let_go(const model::Resource& resource) {
    if (const auto* service = std::get_if<model::Service>(&resource)) {
        vips_.erase(service->vip4);
        vips_.erase(service->vip6);
    } else if (const auto* instance = std::get_if<model::Instance>(&resource)) {
        const auto count = instances_.find(instance->service);
        if (--count->second == 0) instances_.erase(count);
    } else if (const auto* entry = std::get_if<model::HistoryEntry>(&resource)) {
        history_.remove(*entry);
    }
}

} // namespace hawser::registry
