// What agents call: joining, certificates, the session.
#include <algorithm>
#include <chrono>
#include <format>
#include <set>

#include "base/bytes.h"
#include "ca/lifetimes.h"
#include "ca/tokens.h"
#include "io/clock.h"
#include "log/log.h"
#include "server/agent_session.h"
#include "server/api.h"
#include "server/audit_entries.h"
#include "tls/x509.h"

namespace hawser::server {

namespace {

model::Identity node_identity(const ca::Authority& authority, const std::string& node) {
    return {
        .trust_domain = authority.trust_domain(), .kind = model::IdentityKind::node, .name = node};
}

std::int64_t renew_after_ms(const AuthorityKeeper& authority, const config::ServerConfig& config) {
    const Duration left(authority.expiries().intermediate - io::wall_now());
    return ca::renew_after(std::min(config.certificate_lifetime, left), config.availability_target)
        .count();
}

} // namespace

Result<void> Api::may_try_to_join(const rpc::Caller& caller) {
    const auto now = std::chrono::steady_clock::now();
    if (join_limiter_.take(address_of(caller), now)) return {};
    return fail(ErrorCode::resource_exhausted,
                std::format("too many attempts to join from this address; try again in {}",
                            format_duration(join_limiter_.wait(address_of(caller), now))));
}

void Api::give_back_try(const rpc::Caller& caller) {
    join_limiter_.give_back(address_of(caller));
}

Api::Answer<v1::JoinResponse> Api::join(const rpc::Caller& caller, v1::JoinRequest request) {
    const std::string node = printable(request.node(), 64);
    Result<void> may = may_try_to_join(caller);
    Result<v1::JoinResponse> response = fail(may ? Error() : std::move(may.error()));
    if (may) response = co_await join_admitted(std::move(request), caller.remote);
    if (response) {
        give_back_try(caller);
        log::info("a node joined", {{"node", node}, {"peer", caller.remote}});
    } else {
        parts_.refusals.record(Refused::join, "/hawser.v1.Mesh/Join", caller, response.error());
    }
    co_return response;
}

// That the request can be signed is known before the token is used up: one that cannot be costs the
// host nothing. Whoever gets no answer may ask again, with the same key.
Api::Answer<v1::JoinResponse> Api::join_admitted(v1::JoinRequest request, std::string source) {
    Result<void> known = co_await check_secret(request.token_id(), request.token_secret());
    if (!known) co_return fail(std::move(known.error()));
    if (Result<void> named = model::check_name(request.node(), "node name"); !named)
        co_return fail(std::move(named.error()));
    const WallTime now = join_time();
    const ca::Authority& authority = parts_.authority.authority();
    if (Result<void> free = check_quarantine(node_identity(authority, request.node())); !free)
        co_return fail(std::move(free.error()));
    const Result<std::string> key = authority.requested_key(
        as_bytes(request.node_csr()), node_identity(authority, request.node()), now);
    if (!key) co_return fail(key.error());

    Result<registry::Outcome> joined =
        co_await propose(model::JoinNode{.token_id = request.token_id(),
                                         .node = request.node(),
                                         .now = now,
                                         .key = tls::sha256(as_bytes(*key))},
                         {.name = "node:" + request.node(), .source = source});
    if (!joined) co_return fail(std::move(joined.error()));
    const auto* node = tables().get<model::Node>(request.node());
    if (node == nullptr) co_return fail(ErrorCode::aborted, "the node was deleted meanwhile");
    Result<std::string> chain = co_await sign_for({.node = node->name,
                                                   .generation = generation_of(*node),
                                                   .identity = node_identity(authority, node->name),
                                                   .csr = request.node_csr(),
                                                   .source = std::move(source)});
    if (!chain) co_return fail(std::move(chain.error()));
    node = tables().get<model::Node>(request.node());
    if (node == nullptr) co_return fail(ErrorCode::aborted, "the node was deleted meanwhile");

    v1::JoinResponse response;
    response.set_node_chain(*std::move(chain));
    response.set_trust_domain(parts_.authority.authority().trust_domain());
    for (const std::string& root : tables().trust()->roots) response.add_roots(root);
    for (const std::string& service : node->allowed_services) response.add_services(service);
    response.set_renew_after_ms(renew_after_ms(parts_.authority, parts_.config));
    co_return response;
}

// When a node joined tells its certificates from those of all other nodes: no two at one time.
WallTime Api::join_time() {
    std::set<WallTime> taken;
    for (const auto& [name, row] : tables().rows(model::Kind::node))
        taken.insert(std::get_if<model::Node>(row.value.get())->joined_at);
    last_join_ = std::max(io::wall_now(), last_join_ + 1);
    while (taken.contains(last_join_)) ++last_join_;
    return last_join_;
}

// It does not leave before it is recorded for good.
Api::Answer<std::string> Api::sign_for(Signing signing) {
    Result<std::string> chain = parts_.authority.sign(as_bytes(signing.csr), signing.identity,
                                                      io::wall_now(), signing.generation);
    if (!chain) co_return chain;
    Result<audit::Entry> entry = certificate_entry(*chain);
    if (!entry) co_return fail(std::move(entry.error()));
    entry->who = "node:" + signing.node;
    entry->from = std::move(signing.source);
    const Result<std::uint64_t> recorded =
        co_await parts_.audit.record(std::move(*entry), AuditTrail::Until::synced);
    if (!recorded) co_return fail(recorded.error());
    ++issued_;
    co_return chain;
}

// A token that was just made may not have reached this server.
io::Task<Result<void>> Api::check_secret(std::string token_id, std::string secret) {
    if (check_known_secret(token_id, secret)) co_return Result<void>();
    if (Result<void> reached = co_await become_current(); !reached) co_return reached;
    co_return check_known_secret(token_id, secret);
}

// One answer for an unknown id and for a wrong secret: ids are not there to be probed.
Result<void> Api::check_known_secret(const std::string& token_id, const std::string& secret) const {
    const auto* token = tables().get<model::JoinToken>(token_id);
    const std::string hash = ca::hash_secret(secret);
    const std::string nobody(hash.size(), '\0');
    const bool right = equal_constant_time(hash, token == nullptr ? nobody : token->secret_hash);
    if (token != nullptr && right) return {};
    return fail(ErrorCode::unauthenticated,
                "the join token is not known: never created here, or revoked");
}

Api::Answer<v1::SignResponse> Api::sign(const rpc::Caller& caller, v1::SignRequest request) {
    Result<Signing> signing = may_sign(caller, request);
    Result<std::string> chain = fail(signing ? Error() : signing.error());
    if (signing) chain = co_await sign_for(std::move(*signing));
    if (!chain) {
        parts_.refusals.record(Refused::certificate, "/hawser.v1.Mesh/Sign", caller, chain.error());
        co_return fail(std::move(chain.error()));
    }
    v1::SignResponse response;
    response.set_chain(std::move(*chain));
    response.set_renew_after_ms(renew_after_ms(parts_.authority, parts_.config));
    co_return response;
}

Result<Api::Signing> Api::may_sign(const rpc::Caller& caller, const v1::SignRequest& request) {
    Result<const model::Node*> node = identify_node(caller, tables());
    if (!node) return fail(std::move(node.error()));
    model::Identity identity = node_identity(parts_.authority.authority(), (*node)->name);
    if (Result<void> free = check_quarantine(identity); !free) return fail(std::move(free.error()));
    if (!request.service().empty()) {
        if (!std::ranges::contains((*node)->allowed_services, request.service())) {
            // A token that was just used may not have reached this server: the leader knows.
            return fail(parts_.raft.leads() ? ErrorCode::permission_denied : ErrorCode::unavailable,
                        std::format("node '{}' may not speak for service '{}': its join token "
                                    "does not name it",
                                    (*node)->name, printable(request.service(), 64)));
        }
        identity.kind = model::IdentityKind::service;
        identity.name = request.service();
        if (Result<void> free = check_quarantine(identity); !free)
            return fail(std::move(free.error()));
    }
    return Signing{.node = (*node)->name,
                   .generation = generation_of(**node),
                   .identity = std::move(identity),
                   .csr = request.csr(),
                   .source = caller.remote};
}

io::Task<Result<void>> Api::session(const rpc::Caller& caller, rpc::MessageStream& stream) {
    Result<const model::Node*> node = identify_node(caller, tables());
    if (!node) {
        parts_.refusals.record(Refused::session, "/hawser.v1.Mesh/Session", caller, node.error());
        co_return fail(std::move(node.error()));
    }
    if (Result<void> serving = parts_.sessions.serving(); !serving) co_return serving;
    AgentSession session({.executor = parts_.executor,
                          .raft = parts_.raft,
                          .sessions = parts_.sessions,
                          .hub = parts_.hub,
                          .refusals = parts_.refusals,
                          .reachable = parts_.cluster.self().addresses},
                         caller, (*node)->name, stream);
    Result<void> ended = co_await session.run();
    log::info("an agent's session ended",
              {{"node", caller.identity->name},
               {"peer", caller.remote},
               {"reason", ended ? std::string("the agent ended it") : ended.error().message}});
    co_return ended;
}

} // namespace hawser::server
