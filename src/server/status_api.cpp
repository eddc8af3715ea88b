// This server at a glance.
#include <format>

#include "io/clock.h"
#include "model/codec.h"
#include "registry/levels.h"
#include "server/api.h"

namespace hawser::server {

namespace {

constexpr WallTime day_ms = 86'400'000;

void warn_of_expiry(v1::ServerStatusResponse& status, std::string_view what, WallTime expires,
                    WallTime now, WallTime margin) {
    if (expires - now > margin) return;
    status.add_warnings(std::format("{} {} at {}", what, expires <= now ? "expired" : "expires",
                                    format_time(expires)));
}

} // namespace

Api::Answer<v1::ServerStatusResponse> Api::status(Actor, v1::ServerStatusRequest) {
    const RaftStatus raft = parts_.raft.status();
    const AuthorityKeeper::Expiries expiries = parts_.authority.expiries();
    v1::ServerStatusResponse response;
    response.set_node(parts_.config.node);
    response.set_version(parts_.version);
    response.set_trust_domain(parts_.authority.authority().trust_domain());
    response.set_role(std::string(to_string(raft.role)));
    response.set_term(raft.term);
    response.set_last_index(raft.last_index);
    response.set_applied_index(raft.applied_index);
    response.set_certificate_expires_at_ms(expiries.certificate);
    response.set_intermediate_expires_at_ms(expiries.intermediate);
    response.set_root_expires_at_ms(expiries.root);
    for (const AgentStream* stream : parts_.sessions.connected()) {
        v1::AgentState& agent = *response.add_agents();
        agent.set_node(stream->node);
        agent.set_enforced_index(stream->enforced_index);
        agent.set_remote(stream->remote);
        agent.set_connected_at_ms(stream->connected_at);
    }
    const auto count = [this](model::Kind kind) {
        return static_cast<std::uint32_t>(tables().rows(kind).size());
    };
    response.set_services(count(model::Kind::service));
    response.set_instances(count(model::Kind::instance));
    response.set_policies(count(model::Kind::policy));
    co_await add_members(response);
    response.set_feature_level(registry::feature_level(tables()));
    response.set_started_at_ms(started_at_);
    response.set_listen(parts_.listen.to_string());
    for (const auto& [refused, times] : parts_.refusals.counts()) {
        v1::RefusalCount& row = *response.add_refusals();
        row.set_what(std::string(plural(refused.first)));
        row.set_reason(std::string(to_string(refused.second)));
        row.set_count(times);
    }
    add_warnings(response, io::wall_now());
    add_member_warnings(response);
    co_return response;
}

void Api::add_warnings(v1::ServerStatusResponse& status, WallTime now) const {
    if (const std::string trouble = parts_.raft.status().trouble; !trouble.empty()) {
        status.add_warnings("writes are refused: " + trouble);
    }
    if (!parts_.audit.trouble().empty())
        status.add_warnings("changes are refused, because nothing can be recorded: " +
                            parts_.audit.trouble());
    if (!parts_.audit.damage().empty()) {
        status.add_warnings("the audit log was damaged, and began anew (hawser audit verify): " +
                            parts_.audit.damage());
    }
    if (!parts_.audit_heads.trouble().empty())
        status.add_warnings("the registry was not told how far the audit log has come: " +
                            parts_.audit_heads.trouble());
    if (const std::string damage = parts_.raft.status().damage; !damage.empty())
        status.add_warnings(damage);
    const Sessions::Ahead& ahead = parts_.sessions.farthest_ahead();
    if (const std::uint64_t index = parts_.raft.registry().index(); ahead.index > index) {
        status.add_warnings(
            std::format("the agent of {} has seen index {}, but this registry ends "
                        "at {}: was its data put back to an older state?",
                        ahead.node, ahead.index, index));
    }
    const AuthorityKeeper::Expiries expiries = parts_.authority.expiries();
    const WallTime lifetime = parts_.config.certificate_lifetime.count();
    warn_of_expiry(status, "this server's certificate", expiries.certificate, now, lifetime / 4);
    const model::Authority* authority = tables().authority();
    if (authority != nullptr) {
        for (std::string& warning : ca::expiry_warnings(*authority, now))
            status.add_warnings(std::move(warning));
    } else { // a mesh with the keys in files
        warn_of_expiry(status, "the intermediate certificate", expiries.intermediate, now,
                       30 * day_ms);
        warn_of_expiry(status, "the root certificate", expiries.root, now, 365 * day_ms);
    }
    if (const std::string& trouble = parts_.authority_upkeep.trouble(); !trouble.empty())
        status.add_warnings("this server signs with an older authority: " + trouble);
    const bool publishing =
        authority != nullptr && authority->phase == model::RotationPhase::publishing;
    if (publishing && parts_.raft.leads()) {
        if (const std::string waits = parts_.authority_upkeep.waits_for(); !waits.empty())
            status.add_warnings("the change of the root waits: " + waits);
    }
    for (const auto& [subject, row] : tables().rows(model::Kind::quarantine)) {
        const auto* quarantine = std::get_if<model::Quarantine>(row.value.get());
        status.add_warnings(
            std::format("{} is in quarantine since {}{}{}", subject, format_time(quarantine->since),
                        quarantine->reason.empty() ? "" : ": ", quarantine->reason));
    }
    for (const auto& [name, row] : tables().rows(model::Kind::node)) {
        const auto* node = std::get_if<model::Node>(row.value.get());
        // A node that never registered has nothing to be missed.
        if (!node->alive && node->tunnel.port != 0) {
            status.add_warnings(std::format("node {} is silent: its instances are out", name));
        }
    }
}

} // namespace hawser::server
