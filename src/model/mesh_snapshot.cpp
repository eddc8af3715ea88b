#include "model/mesh_snapshot.h"

#include <algorithm>

namespace hawser::model {

namespace {

// The rows of one kind, in key order.
template <typename T, typename Rows, typename Visit>
void for_each_of(Kind kind, const Rows& rows, Visit visit) {
    for (auto at = rows.lower_bound({kind, std::string()});
         at != rows.end() && at->first.first == kind; ++at) {
        visit(std::get<T>(*at->second.value));
    }
}

} // namespace

const ServiceView* MeshSnapshot::service(std::string_view name) const {
    const auto found = service_index_.find(name);
    return found == service_index_.end() ? nullptr : &services_[found->second];
}

const ServiceView* MeshSnapshot::service_by_vip(const IpAddress& address) const {
    const auto found = vip_index_.find(address);
    return found == vip_index_.end() ? nullptr : &services_[found->second];
}

const Node* MeshSnapshot::node(std::string_view name) const {
    const auto found = node_index_.find(name);
    return found == node_index_.end() ? nullptr : &nodes_[found->second];
}

std::span<const std::uint32_t> MeshSnapshot::joined_at(WallTime time) const {
    const auto found = std::ranges::equal_range(
        by_join_, time, {}, [this](std::uint32_t position) { return nodes_[position].joined_at; });
    return {found.begin(), found.end()};
}

const Quarantine* MeshSnapshot::quarantine(IdentityKind kind, std::string_view name) const {
    const NameIndex& index =
        kind == IdentityKind::node ? quarantined_nodes_ : quarantined_services_;
    if (index.empty()) return nullptr;
    const auto found = index.find(name);
    return found == index.end() ? nullptr : &quarantines_[found->second];
}

void SnapshotBuilder::reset() {
    rows_.clear();
    index_ = 0;
}

void SnapshotBuilder::apply(const Change& change) {
    if (!visible_to_agents(change.kind)) return;
    std::pair key(change.kind, change.key);
    if (change.deleted()) {
        rows_.erase(key);
    } else if (kind_of(*change.value) == change.kind) {
        if (const auto* node = std::get_if<Node>(change.value.get()))
            heard_of_join(node->joined_at);
        rows_.insert_or_assign(std::move(key), change);
    }
}

SnapshotPtr SnapshotBuilder::build() const {
    auto snapshot = std::make_shared<MeshSnapshot>();
    snapshot->index_ = index_;
    for_each_of<TrustDomain>(Kind::trust_domain, rows_,
                             [&](const TrustDomain& trust) { snapshot->trust_ = trust; });
    add_quarantines(*snapshot);
    add_nodes(*snapshot);
    add_services(*snapshot);
    add_instances(*snapshot);
    for_each_of<Policy>(Kind::policy, rows_, [&](const Policy& policy) {
        const auto found = snapshot->service_index_.find(policy.service);
        if (found != snapshot->service_index_.end()) {
            snapshot->services_[found->second].policies.push_back(policy);
        }
    });
    return snapshot;
}

void SnapshotBuilder::add_nodes(MeshSnapshot& snapshot) const {
    for_each_of<Node>(Kind::node, rows_, [&](const Node& node) {
        snapshot.node_index_.emplace(node.name, static_cast<std::uint32_t>(snapshot.nodes_.size()));
        snapshot.by_join_.push_back(static_cast<std::uint32_t>(snapshot.nodes_.size()));
        snapshot.nodes_.push_back(node);
    });
    std::ranges::stable_sort(snapshot.by_join_, {}, [&](std::uint32_t position) {
        return snapshot.nodes_[position].joined_at;
    });
    snapshot.newest_join_ = newest_join_;
}

void SnapshotBuilder::add_services(MeshSnapshot& snapshot) const {
    for_each_of<Service>(Kind::service, rows_, [&](const Service& service) {
        const auto position = static_cast<std::uint32_t>(snapshot.services_.size());
        snapshot.service_index_.emplace(service.name, position);
        for (const IpAddress& vip : {service.vip4, service.vip6}) {
            if (!vip.is_unspecified()) snapshot.vip_index_.emplace(vip, position);
        }
        snapshot.services_.push_back({.service = service,
                                      .endpoints = {},
                                      .usable = {},
                                      .only_silent = false,
                                      .policies = {}});
    });
}

void SnapshotBuilder::add_instances(MeshSnapshot& snapshot) const {
    for_each_of<Instance>(Kind::instance, rows_, [&](const Instance& instance) {
        const auto found = snapshot.service_index_.find(instance.service);
        if (found == snapshot.service_index_.end()) return;
        ServiceView& view = snapshot.services_[found->second];
        EndpointView endpoint{
            .instance = instance, .node = instance.node, .tunnel = {}, .zone = {}};
        // An instance without its node cannot be dialled, but is still shown.
        if (const Node* node = snapshot.node(instance.node); node != nullptr) {
            endpoint.tunnel = node->tunnel;
            endpoint.zone = node->zone;
            endpoint.node_alive = node->alive;
            endpoint.quarantined =
                snapshot.quarantine(IdentityKind::node, instance.node) != nullptr;
        }
        view.endpoints.push_back(std::move(endpoint));
    });
    for (ServiceView& view : snapshot.services_) choose_usable(view);
}

void SnapshotBuilder::add_quarantines(MeshSnapshot& snapshot) const {
    for_each_of<Quarantine>(Kind::quarantine, rows_, [&](const Quarantine& quarantine) {
        auto& index = quarantine.subject_kind == IdentityKind::node
                          ? snapshot.quarantined_nodes_
                          : snapshot.quarantined_services_;
        index.emplace(quarantine.subject, static_cast<std::uint32_t>(snapshot.quarantines_.size()));
        snapshot.quarantines_.push_back(quarantine);
    });
}

void SnapshotBuilder::choose_usable(ServiceView& view) {
    const auto those = [&view](bool (EndpointView::*wanted)() const) {
        std::vector<std::uint32_t> found;
        for (std::uint32_t at = 0; at < view.endpoints.size(); ++at)
            if ((view.endpoints[at].*wanted)()) found.push_back(at);
        return found;
    };
    view.usable = those(&EndpointView::usable);
    if (!view.usable.empty()) return;
    view.usable = those(&EndpointView::fit);
    view.only_silent = !view.usable.empty();
}

std::vector<Change> SnapshotBuilder::rows() const {
    std::vector<Change> rows;
    rows.reserve(rows_.size());
    for (const auto& [key, change] : rows_) rows.push_back(change);
    return rows;
}

std::vector<Change> SnapshotBuilder::rows(Kind kind) const {
    std::vector<Change> rows;
    for (auto at = rows_.lower_bound({kind, std::string()});
         at != rows_.end() && at->first.first == kind; ++at)
        rows.push_back(at->second);
    return rows;
}

} // namespace hawser::model
