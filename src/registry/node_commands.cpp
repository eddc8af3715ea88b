// What agents register, and whether they are there.
#include <algorithm>
#include <format>
#include <set>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/validation.h"
#include "registry/commands.h"

namespace hawser::registry {

namespace {

std::unexpected<Error> no_node(std::string_view name) {
    return fail(ErrorCode::not_found,
                std::format("there is no node {}: it never joined, or was deleted", quote(name)));
}

Result<void> check_instances(const model::SyncNode& command, const model::Node& node) {
    if (command.instances.size() > limits::instances_per_node) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("node '{}' registers {} instances, the most is {}", node.name,
                                command.instances.size(), limits::instances_per_node));
    }
    std::set<std::string> keys;
    for (const model::Instance& instance : command.instances) {
        if (Result<void> checked = model::check(instance); !checked) return checked;
        if (instance.node != node.name) {
            return fail(ErrorCode::permission_denied,
                        std::format("node '{}' registers instance '{}' of another node", node.name,
                                    instance.key()));
        }
        if (!std::ranges::contains(node.allowed_services, instance.service)) {
            return fail(ErrorCode::permission_denied,
                        std::format("node '{}' may not host service '{}': its join token does "
                                    "not name it",
                                    node.name, instance.service));
        }
        if (!keys.insert(instance.key()).second) {
            return fail(ErrorCode::invalid,
                        std::format("instance '{}' is given twice", instance.key()));
        }
    }
    return {};
}

// Only what differs becomes a change: an agent repeats its whole registration freely.
Result<void> replace_instances(const model::SyncNode& command, Draft& draft) {
    std::set<std::string> keys;
    for (const model::Instance& instance : command.instances) {
        if (draft.get<model::Service>(instance.service) == nullptr) {
            model::Service service;
            service.name = instance.service;
            if (Result<void> put = draft.put_service(std::move(service)); !put) return put;
        }
        keys.insert(instance.key());
        draft.put(instance);
    }
    for (const model::Instance* known : draft.before().instances_of_node(command.node)) {
        if (!keys.contains(known->key())) draft.erase(model::Kind::instance, known->key());
    }
    return {};
}

} // namespace

Result<void> carry_out(const model::SyncNode& command, Draft& draft) {
    const auto* existing = draft.get<model::Node>(command.node);
    if (existing == nullptr) return no_node(command.node);
    if (Result<void> checked = check_instances(command, *existing); !checked) return checked;

    model::Node node = *existing;
    node.zone = command.zone;
    node.tunnel = command.tunnel;
    node.version = command.version;
    node.alive = true; // a registration comes from a living agent
    if (Result<void> checked = model::check(node); !checked) return checked;
    draft.put(std::move(node));
    return replace_instances(command, draft);
}

Result<void> carry_out(const model::SetNodeAlive& command, Draft& draft) {
    const auto* existing = draft.get<model::Node>(command.node);
    if (existing == nullptr) return no_node(command.node);
    model::Node node = *existing;
    node.alive = command.alive;
    draft.put(std::move(node));
    return {};
}

} // namespace hawser::registry
