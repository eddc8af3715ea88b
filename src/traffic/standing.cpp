#include "traffic/standing.h"

#include <algorithm>
#include <format>

namespace hawser::traffic {
namespace {

using model::IdentityKind;

Refusal deregistered(std::string why) {
    return {.flag = Flag::deregistered, .why = std::move(why)};
}

bool may_be(const model::Node& node, const model::Identity& identity) {
    if (identity.kind == IdentityKind::node) return node.name == identity.name;
    return std::ranges::contains(node.allowed_services, identity.name);
}

} // namespace

Refusal check_quarantine(const model::MeshSnapshot& mesh, IdentityKind kind,
                         std::string_view name) {
    const model::Quarantine* row = mesh.quarantine(kind, name);
    if (row == nullptr) return {};
    return {.flag = Flag::quarantined,
            .why = std::format("{} {} is in quarantine{}{}",
                               kind == IdentityKind::node ? "node" : "service", name,
                               row->reason.empty() ? "" : ": ", row->reason)};
}

Holder find_holder(const model::MeshSnapshot& mesh, const model::Identity& identity,
                   std::uint64_t generation) {
    Holder holder{.node = nullptr, .refusal = check_quarantine(mesh, identity.kind, identity.name)};
    if (holder.refusal || generation == 0) return holder;
    const auto joined_at = static_cast<WallTime>(generation);
    const auto joined = mesh.joined_at(joined_at);
    if (joined.empty()) {
        if (joined_at <= mesh.newest_join())
            holder.refusal = deregistered("the node of this certificate was deleted");
        return holder;
    }
    const auto found = std::ranges::find_if(
        joined, [&](std::uint32_t position) { return may_be(mesh.nodes()[position], identity); });
    if (found == joined.end()) {
        holder.refusal =
            deregistered("the node of this certificate may no longer be " + identity.to_uri());
        return holder;
    }
    holder.node = &mesh.nodes()[*found];
    holder.refusal = check_quarantine(mesh, IdentityKind::node, holder.node->name);
    return holder;
}

Refusal check_instance(const model::ServiceView& service, std::string_view node,
                       std::uint16_t port) {
    const bool registered =
        std::ranges::any_of(service.endpoints, [&](const model::EndpointView& endpoint) {
            return endpoint.instance.port == port && endpoint.node == node;
        });
    if (registered) return {};
    return deregistered(
        std::format("node {} no longer registers {} at port {}", node, service.service.name, port));
}

} // namespace hawser::traffic
