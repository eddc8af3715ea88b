#include "traffic/authorizer.h"

#include <algorithm>

namespace hawser::traffic {
namespace {

constexpr std::string_view default_rule = "default_policy";

bool matches(const model::Policy& policy, const model::Identity& caller) {
    return std::ranges::any_of(policy.from, [&](const std::string& source) {
        return source == model::any_source || source == caller.name;
    });
}

// The policy that decides when those of `mode` and the enforced ones count; null: none matched.
const model::Policy* decide(const model::ServiceView& service, const model::Identity& caller,
                            bool with_shadow) {
    const model::Policy* allow = nullptr;
    for (const model::Policy& policy : service.policies) {
        if (policy.mode == model::PolicyMode::shadow && !with_shadow) continue;
        if (!matches(policy, caller)) continue;
        if (policy.action == model::Effect::deny) return &policy;
        if (allow == nullptr) allow = &policy;
    }
    return allow;
}

bool allows(const model::Policy* policy, const model::ServiceView& service) {
    return (policy != nullptr ? policy->action : service.service.default_policy) ==
           model::Effect::allow;
}

} // namespace

Verdict authorize(const model::ServiceView& service, const model::Identity& caller) {
    if (caller.kind != model::IdentityKind::service)
        return {.allowed = false, .rule = default_rule, .shadow_rule = {}};
    const model::Policy* enforced = decide(service, caller, false);
    Verdict verdict{.allowed = allows(enforced, service),
                    .rule = enforced != nullptr ? std::string_view(enforced->name) : default_rule,
                    .shadow_rule = {}};
    const model::Policy* shadowed = decide(service, caller, true);
    if (shadowed != enforced && allows(shadowed, service) != verdict.allowed)
        verdict.shadow_rule = shadowed->name;
    return verdict;
}

} // namespace hawser::traffic
