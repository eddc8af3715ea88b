#include "model/row.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/nearest.h"

namespace hawser::model {

namespace {

struct KindName {
    Kind kind;
    std::string_view name;
    std::string_view plural;
};
constexpr std::array kind_names{
    KindName{Kind::trust_domain, "trust_domain", "trust_domains"},
    KindName{Kind::service, "service", "services"},
    KindName{Kind::instance, "instance", "instances"},
    KindName{Kind::node, "node", "nodes"},
    KindName{Kind::policy, "policy", "policies"},
    KindName{Kind::join_token, "join_token", "join_tokens"},
    KindName{Kind::operator_token, "operator_token", "operator_tokens"},
    KindName{Kind::server, "server", "servers"},
    KindName{Kind::history, "history", "history"},
    KindName{Kind::authority, "authority", "authorities"},
    KindName{Kind::quarantine, "quarantine", "quarantines"},
    KindName{Kind::audit_head, "audit_head", "audit_heads"},
};

struct KeyOf {
    std::string operator()(const TrustDomain&) const { return "self"; } // the only one
    std::string operator()(const Service& service) const { return service.name; }
    std::string operator()(const Instance& instance) const { return instance.key(); }
    std::string operator()(const Node& node) const { return node.name; }
    std::string operator()(const Policy& policy) const { return policy.name; }
    std::string operator()(const JoinToken& token) const { return token.id; }
    std::string operator()(const OperatorToken& token) const { return token.id; }
    std::string operator()(const Server& server) const { return server.name; }
    std::string operator()(const Authority&) const { return "self"; } // the only one
    std::string operator()(const Quarantine& quarantine) const { return quarantine.key(); }
    std::string operator()(const AuditHead& head) const { return head.server; }
    // In the order of time, what operators wrote apart from what agents reported: each has its own
    // share of what may be remembered.
    std::string operator()(const HistoryEntry& entry) const {
        const auto kind = static_cast<Kind>(entry.kind);
        std::array<std::uint8_t, 8> index{};
        for (std::size_t i = 0; i < index.size(); ++i)
            index[i] = static_cast<std::uint8_t>(entry.index >> (8 * (index.size() - 1 - i)));
        std::string key = written_by_operators(kind) ? "o/" : "r/";
        key.append(to_hex(index)).append("/").append(to_string(kind)).append("/");
        return key.append(entry.key);
    }
};

} // namespace

Kind kind_of(const Resource& resource) {
    // Resource lists its alternatives in the order of Kind, which begins at 1.
    return static_cast<Kind>(resource.index() + 1);
}

std::string key_of(const Resource& resource) {
    return std::visit(KeyOf{}, resource);
}

std::string_view to_string(Kind kind) {
    const auto found = std::ranges::find(kind_names, kind, &KindName::kind);
    return found == kind_names.end() ? "unknown" : found->name;
}

Result<Kind> parse_kind(std::string_view text) {
    std::array<std::string_view, kind_names.size()> known;
    for (std::size_t i = 0; i < kind_names.size(); ++i) {
        if (text == kind_names[i].name || text == kind_names[i].plural) return kind_names[i].kind;
        known[i] = kind_names[i].name;
    }
    std::string message = "unknown kind " + quote(text);
    if (const std::string_view near = nearest(text, known); !near.empty()) {
        message.append("; did you mean '").append(near).append("'?");
    }
    return fail(ErrorCode::invalid, std::move(message));
}

bool visible_to_agents(Kind kind) {
    switch (kind) {
        case Kind::trust_domain:
        case Kind::service:
        case Kind::instance:
        case Kind::node:
        case Kind::policy:
        case Kind::server:
        case Kind::quarantine: return true;
        case Kind::join_token:
        case Kind::operator_token:
        case Kind::history:
        case Kind::authority:
        case Kind::audit_head: break;
    }
    return false;
}

bool written_by_operators(Kind kind) {
    return kind != Kind::instance && kind != Kind::node;
}

bool has_history(Kind kind) {
    return kind != Kind::history && kind != Kind::audit_head;
}

bool can_be_applied(Kind kind) {
    return kind == Kind::service || kind == Kind::policy;
}

} // namespace hawser::model
