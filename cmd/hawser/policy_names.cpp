#include "policy_names.h"

#include <format>
#include <string_view>

#include "base/bytes.h"
#include "base/nearest.h"

namespace hawser::cmd {

namespace {

std::string nearest_of(const std::string& name, const std::set<std::string>& known) {
    const std::vector<std::string_view> words(known.begin(), known.end());
    return std::string(nearest(name, words));
}

} // namespace

std::string UnknownName::text() const {
    const std::string hint =
        nearest.empty() ? "" : std::format("; did you mean {}?", quote(nearest));
    return caller ? std::format("policy {}: no host may speak as {} yet{}", quote(policy),
                                quote(name), hint)
                  : std::format("policy {}: no service {} is known yet{}", quote(policy),
                                quote(name), hint);
}

std::vector<UnknownName> unknown_names(const std::vector<model::Policy>& policies,
                                       const KnownNames& known) {
    std::vector<UnknownName> unknown;
    for (const model::Policy& policy : policies) {
        if (!known.services.contains(policy.service))
            unknown.push_back({.policy = policy.name,
                               .name = policy.service,
                               .caller = false,
                               .nearest = nearest_of(policy.service, known.services)});
        for (const std::string& caller : policy.from) {
            if (caller == model::any_source || known.callers.contains(caller)) continue;
            unknown.push_back({.policy = policy.name,
                               .name = caller,
                               .caller = true,
                               .nearest = nearest_of(caller, known.callers)});
        }
    }
    return unknown;
}

} // namespace hawser::cmd
