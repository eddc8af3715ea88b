#include "server/audit_entries.h"

#include <format>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "tls/x509.h"

namespace hawser::server {

namespace {

using Described = std::optional<audit::Entry>;

audit::Entry about(std::string_view kind, std::vector<std::string> what, std::string detail = {}) {
    return {.kind = std::string(kind), .what = std::move(what), .detail = std::move(detail)};
}

std::string named(std::string_view kind, std::string_view name) {
    return std::format("{} {}", kind, name);
}

std::string fingerprint(std::string_view der) {
    return to_hex(as_bytes(tls::sha256(as_bytes(der))));
}

std::string describe(const model::Signer& signer) {
    std::string text = "root sha256 " + fingerprint(signer.root);
    if (!signer.chain.empty()) text += ", signing sha256 " + fingerprint(signer.chain.front());
    return text;
}

std::string until(WallTime time) {
    return time == 0 ? std::string("no expiry") : "until " + format_time(time);
}

// But for its health, which changes by itself.
bool same(const model::Instance& now, const model::Instance* before) {
    if (before == nullptr) return false;
    model::Instance changed = *before;
    changed.health = now.health;
    changed.health_reason = now.health_reason;
    return changed == now;
}

bool is_routine(const model::SyncNode& command, const registry::Tables& before) {
    const auto* node = before.get<model::Node>(command.node);
    if (node == nullptr || node->zone != command.zone || !(node->tunnel == command.tunnel) ||
        node->version != command.version)
        return false;
    for (const model::Instance& instance : command.instances)
        if (!same(instance, before.get<model::Instance>(instance.key()))) return false;
    const std::string prefix = command.node + "/";
    const registry::Table& rows = before.rows(model::Kind::instance);
    std::size_t known = 0;
    for (auto row = rows.lower_bound(prefix); row != rows.end() && row->first.starts_with(prefix);
         ++row)
        ++known;
    return known == command.instances.size();
}

// Every command has its line here: one that has none does not compile.
struct Describer {
    const registry::Tables& before;

    Described operator()(const model::InitTrust& command) const {
        return about("init", {named("trust_domain", command.domain.name)},
                     command.authority ? describe(command.authority->active) : std::string());
    }
    Described operator()(const model::ApplyResources& command) const {
        std::vector<std::string> what;
        for (const model::Service& each : command.services)
            what.push_back(named("service", each.name));
        for (const model::Policy& each : command.policies)
            what.push_back(named("policy", each.name));
        return about("apply", std::move(what));
    }
    Described operator()(const model::DeleteResource& command) const {
        return about("delete", {named(to_string(command.kind), command.name)});
    }
    Described operator()(const model::Rollback& command) const {
        return about("rollback", {std::format("index {}", command.index)});
    }
    Described operator()(const model::CreateJoinToken& command) const {
        std::vector<std::string> what{named("token", command.token.id)};
        if (!command.token.node.empty()) what.push_back(named("node", command.token.node));
        if (!command.token.server.empty()) what.push_back(named("server", command.token.server));
        for (const std::string& service : command.token.services)
            what.push_back(named("service", service));
        return about("token_create", std::move(what), until(command.token.expires_at));
    }
    Described operator()(const model::RevokeJoinToken& command) const {
        return about("token_revoke", {named("token", command.id)});
    }
    Described operator()(const model::JoinNode& command) const {
        return about("node_join", {named("node", command.node), named("token", command.token_id)});
    }
    Described operator()(const model::JoinServer& command) const {
        return about("server_join",
                     {named("server", command.server.name), named("token", command.token_id)});
    }
    Described operator()(const model::PutServer& command) const {
        return about(command.server.leaving ? "server_leave" : "server_change",
                     {named("server", command.server.name)}, "version " + command.server.version);
    }
    Described operator()(const model::RemoveServer& command) const {
        const model::Server* server = before.server(command.id);
        return about("server_remove",
                     {named("server", server == nullptr ? std::format("{:016x}", command.id)
                                                        : server->name)});
    }
    Described operator()(const model::SyncNode& command) const {
        if (is_routine(command, before)) return {};
        std::vector<std::string> what{named("node", command.node)};
        for (const model::Instance& each : command.instances)
            what.push_back(std::format("service {}:{}", each.service, each.port));
        return about("register", std::move(what));
    }
    Described operator()(const model::SetNodeAlive&) const { return {}; }
    Described operator()(const model::SetTrustDomain& command) const {
        return about("authority", {named("trust_domain", command.domain.name)});
    }
    Described operator()(const model::SetAuthority& command) const {
        const model::Authority& authority = command.authority;
        std::string detail = std::format("phase {}: {}", model::to_string(authority.phase),
                                         describe(authority.active));
        if (authority.other) detail += "; other " + describe(*authority.other);
        return about("authority", {}, std::move(detail));
    }
    Described operator()(const model::PutQuarantine& command) const {
        return about("quarantine", {command.quarantine.key()}, command.quarantine.reason);
    }
    Described operator()(const model::CreateOperatorToken& command) const {
        const model::OperatorToken& token = command.token;
        return about("operator_create", {named("operator", token.id)},
                     std::format("{} {}{}{}, {}", token.name, model::to_string(token.role),
                                 token.service_prefix.empty() ? "" : " of services ",
                                 token.service_prefix, until(token.expires_at)));
    }
    Described operator()(const model::RevokeOperatorToken& command) const {
        return about("operator_revoke", {named("operator", command.id)});
    }
    Described operator()(const model::RotateOperatorToken& command) const {
        return about("operator_rotate", {named("operator", command.id)});
    }
    Described operator()(const model::PutAuditHead&) const { return {}; }
};

} // namespace

std::optional<audit::Entry> audit_entry(const model::CommandEnvelope& envelope,
                                        const registry::Tables& before) {
    Described entry = std::visit(Describer{before}, envelope.command);
    if (!entry) return entry;
    entry->who = envelope.actor;
    entry->from = envelope.source;
    return entry;
}

Result<audit::Entry> certificate_entry(std::string_view chain_pem) {
    const Result<std::vector<std::string>> chain = tls::chain_from_pem(chain_pem);
    if (!chain) return fail(chain.error());
    const Result<tls::CertificateInfo> leaf = tls::describe_certificate(as_bytes(chain->front()));
    if (!leaf) return fail(leaf.error());
    return about("certificate",
                 {leaf->identity ? leaf->identity->to_uri() : std::string("no identity")},
                 std::format("serial {}, {}, sha256 {}", leaf->serial, until(leaf->not_after),
                             fingerprint(chain->front())));
}

audit::Entry result_entry(std::uint64_t of, std::uint64_t index,
                          const std::optional<Error>& error) {
    return {.kind = std::string(audit::kind_result),
            .of = of,
            .index = index,
            .result = error ? std::format("{}: {}", to_string(error->code), error->message)
                            : std::string("done")};
}

std::optional<audit::Head> known_audit_head(const registry::Tables& tables,
                                            const std::string& server) {
    const auto* head = tables.get<model::AuditHead>(server);
    if (head == nullptr) return {};
    return audit::Head{.sequence = head->sequence, .hash = head->hash};
}

} // namespace hawser::server
