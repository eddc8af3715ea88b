// Resources that operators write: services and policies, and the removal of services, policies and
// nodes.
#include <format>
#include <set>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/validation.h"
#include "registry/commands.h"

namespace hawser::registry {

namespace {

template <typename T>
Result<void> check_all(const std::vector<T>& resources, std::string_view what) {
    std::set<std::string_view> names;
    for (const T& resource : resources) {
        if (Result<void> checked = model::check(resource); !checked) return checked;
        if (!names.insert(resource.name).second) {
            return fail(ErrorCode::invalid,
                        std::format("{} '{}' is given twice", what, resource.name));
        }
    }
    return {};
}

// "web-1, web-2 and 3 more": names without repetition, few enough to read.
std::string name_nodes(const std::vector<const model::Instance*>& instances) {
    constexpr std::size_t shown = 5;
    std::set<std::string_view> nodes;
    for (const model::Instance* instance : instances) nodes.insert(instance->node);
    std::string text;
    std::size_t named = 0;
    for (const std::string_view node : nodes) {
        if (named++ == shown) break;
        text.append(text.empty() ? "" : ", ").append(node);
    }
    if (nodes.size() > shown) text += std::format(" and {} more", nodes.size() - shown);
    return text;
}

std::unexpected<Error> not_found(model::Kind kind, std::string_view name) {
    return fail(ErrorCode::not_found,
                std::format("there is no {} {}", model::to_string(kind), quote(name)));
}

Result<void> check_condition(const model::Condition& condition, const Draft& draft) {
    const Row* row = draft.before().find(condition.kind, condition.name);
    const std::uint64_t index = row == nullptr ? 0 : row->index;
    if (index == condition.index) return {};
    const std::string subject =
        std::format("{} {}", model::to_string(condition.kind), quote(condition.name));
    if (condition.index == 0) {
        return fail(ErrorCode::already_exists,
                    std::format("{} exists already, since index {}", subject, index));
    }
    if (index == 0) {
        return fail(ErrorCode::aborted, std::format("{} does not exist, index {} was expected",
                                                    subject, condition.index));
    }
    return fail(ErrorCode::aborted,
                std::format("{} is at index {}, not {}: somebody changed it meanwhile", subject,
                            index, condition.index));
}

Result<void> delete_service(const std::string& name, Draft& draft) {
    if (draft.get<model::Service>(name) == nullptr) return not_found(model::Kind::service, name);
    const auto instances = draft.before().instances_of_service(name);
    if (!instances.empty()) {
        return fail(ErrorCode::failed_precondition,
                    std::format("service '{}' still has {} instance{} on {}; remove it from their "
                                "agents' configuration, or delete the nodes",
                                name, instances.size(), instances.size() == 1 ? "" : "s",
                                name_nodes(instances)));
    }
    draft.erase(model::Kind::service, name);
    return {};
}

Result<void> delete_policy(const std::string& name, Draft& draft) {
    if (draft.get<model::Policy>(name) == nullptr) return not_found(model::Kind::policy, name);
    draft.erase(model::Kind::policy, name);
    return {};
}

Result<void> delete_node(const std::string& name, Draft& draft) {
    if (draft.get<model::Node>(name) == nullptr) return not_found(model::Kind::node, name);
    for (const model::Instance* instance : draft.before().instances_of_node(name)) {
        draft.erase(model::Kind::instance, instance->key());
    }
    forget_keys_of(name, draft);
    draft.erase(model::Kind::node, name);
    return {};
}

Result<void> end_quarantine(const std::string& subject, Draft& draft) {
    if (draft.get<model::Quarantine>(subject) == nullptr)
        return fail(ErrorCode::not_found, std::format("{} is not quarantined", quote(subject)));
    draft.erase(model::Kind::quarantine, subject);
    return {};
}

} // namespace

Result<void> check_policies_fit(const Draft& draft) {
    if (draft.count(model::Kind::policy) <= limits::policies) return {};
    return fail(ErrorCode::resource_exhausted,
                std::format("the mesh would have more than {} policies", limits::policies));
}

Result<void> carry_out(const model::ApplyResources& command, Draft& draft) {
    const std::size_t given = command.services.size() + command.policies.size();
    if (given > limits::resources_per_apply ||
        command.conditions.size() > limits::resources_per_apply) {
        return fail(ErrorCode::invalid, std::format("{} resources in one apply, the most is {}",
                                                    given, limits::resources_per_apply));
    }
    for (const model::Condition& condition : command.conditions) {
        if (Result<void> holds = check_condition(condition, draft); !holds) return holds;
    }
    if (Result<void> checked = check_all(command.services, "service"); !checked) return checked;
    if (Result<void> checked = check_all(command.policies, "policy"); !checked) return checked;
    for (const model::Service& service : command.services) {
        if (Result<void> put = draft.put_service(service); !put) return put;
    }
    for (const model::Policy& policy : command.policies) draft.put(policy);
    return check_policies_fit(draft);
}

Result<void> carry_out(const model::DeleteResource& command, Draft& draft) {
    const model::Condition condition{
        .kind = command.kind, .name = command.name, .index = command.if_index};
    if (command.if_index != 0) {
        if (Result<void> holds = check_condition(condition, draft); !holds) return holds;
    }
    switch (command.kind) {
        case model::Kind::service: return delete_service(command.name, draft);
        case model::Kind::policy: return delete_policy(command.name, draft);
        case model::Kind::node: return delete_node(command.name, draft);
        case model::Kind::quarantine: return end_quarantine(command.name, draft);
        default:
            return fail(ErrorCode::invalid,
                        std::format("a {} cannot be deleted; a service, policy or node can",
                                    model::to_string(command.kind)));
    }
}

} // namespace hawser::registry
