#include "model/resources.h"

namespace hawser::model {

std::string Instance::key() const {
    return node + "/" + service + "/" + std::to_string(port);
}

std::string_view to_string(Protocol value) {
    switch (value) {
        case Protocol::tcp: return "tcp";
        case Protocol::http: return "http";
        case Protocol::grpc: return "grpc";
    }
    return "unknown";
}

std::string_view to_string(Balance value) {
    switch (value) {
        case Balance::least_request: return "least_request";
        case Balance::round_robin: return "round_robin";
        case Balance::random: return "random";
    }
    return "unknown";
}

std::string_view to_string(Effect value) {
    switch (value) {
        case Effect::deny: return "deny";
        case Effect::allow: return "allow";
    }
    return "unknown";
}

std::string_view to_string(PolicyMode value) {
    switch (value) {
        case PolicyMode::enforce: return "enforce";
        case PolicyMode::shadow: return "shadow";
    }
    return "unknown";
}

std::string_view to_string(Health value) {
    switch (value) {
        case Health::passing: return "passing";
        case Health::warning: return "warning";
        case Health::critical: return "critical";
    }
    return "unknown";
}

std::string_view to_string(Role value) {
    switch (value) {
        case Role::reader: return "reader";
        case Role::registrar: return "registrar";
        case Role::operator_: return "operator";
        case Role::admin: return "admin";
    }
    return "unknown";
}

std::string_view to_string(RotationPhase value) {
    switch (value) {
        case RotationPhase::none: return "none";
        case RotationPhase::publishing: return "publishing";
        case RotationPhase::retiring: return "retiring";
    }
    return "unknown";
}

std::string_view to_string(Verb value) {
    switch (value) {
        case Verb::created: return "created";
        case Verb::changed: return "changed";
        case Verb::deleted: return "deleted";
    }
    return "unknown";
}

std::string Quarantine::key() const {
    return (subject_kind == IdentityKind::node ? "node/" : "svc/") + subject;
}

void publish(const Authority& authority, TrustDomain& domain) {
    domain.roots = {authority.active.root};
    domain.intermediates = authority.active.chain;
    if (!authority.other) return;
    // An authority may get another intermediate and keep its root.
    if (authority.other->root != authority.active.root)
        domain.roots.push_back(authority.other->root);
    const std::vector<std::string>& chain = authority.other->chain;
    domain.intermediates.insert(domain.intermediates.end(), chain.begin(), chain.end());
}

} // namespace hawser::model
