#include "server/init.h"

#include <unistd.h>

#include <chrono>
#include <format>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/unique_id.h"
#include "ca/signer.h"
#include "ca/tokens.h"
#include "host/files.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/task_group.h"
#include "model/validation.h"
#include "raft/bootstrap.h"
#include "server/audit_entries.h"
#include "server/audit_trail.h"
#include "server/raft_node.h"
#include "server/sealing_keys.h"
#include "server/secret_files.h"
#include "tls/x509.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds timeout{30'000};
constexpr std::size_t longest_pem = 256 << 10;

// An earlier init may have come this far and no further.
Result<RestoredServer> bootstrap(const std::string& data_dir) {
    Result<Storage> storage = open_storage(data_dir);
    if (!storage) return fail(std::move(storage.error()));
    if (storage->log.id() == raft::no_server) {
        const raft::ServerId id = new_unique_id();
        Result<void> made = storage->log.bootstrap(id, raft::bootstrap({id}));
        if (!made) return fail(std::move(made.error()), "making the raft log");
    }
    return restore_server(std::move(*storage));
}

std::string token_file(const std::string& data_dir) {
    return data_dir + "/operator-token";
}

// The token of an earlier init that could not show it.
std::optional<std::string> unshown_token(const registry::Tables& tables,
                                         const std::string& data_dir) {
    const Result<std::string> text = read_secret_file(token_file(data_dir));
    if (!text) return std::nullopt;
    const Result<ca::OperatorTokenText> token = ca::OperatorTokenText::parse(*text);
    if (!token) return std::nullopt;
    const auto* known = tables.get<model::OperatorToken>(token->id);
    if (known == nullptr || known->secret_hash != ca::hash_secret(token->secret))
        return std::nullopt;
    return token->to_text();
}

InitResult describe(const model::TrustDomain& domain, std::string token,
                    const std::string& data_dir) {
    return {.operator_token = std::move(token),
            .trust_domain = domain.name,
            .root_sha256 = to_hex(as_bytes(tls::sha256(as_bytes(domain.roots.at(0))))),
            .data_dir = data_dir};
}

// What an earlier init made; nothing: none came that far. Fails when it was seen to its end.
Result<std::optional<InitResult>> made_before(const registry::Registry& registry,
                                              const config::ServerConfig& config) {
    const model::TrustDomain* existing = registry.tables().trust();
    if (existing == nullptr) return std::nullopt;
    if (auto token = unshown_token(registry.tables(), config.data_dir))
        return describe(*existing, std::move(*token), config.data_dir);
    return fail(ErrorCode::already_exists,
                std::format("{} already holds the trust domain '{}'; a second init would cut off "
                            "everything that trusts it",
                            config.data_dir, existing->name));
}

// A new one, or what the operator brings.
Result<ca::OpenSigner> new_signer(const config::ServerConfig& config, WallTime now) {
    const ca::Lifetimes lifetimes{.root = config.ca.root_lifetime,
                                  .intermediate = config.ca.intermediate_lifetime};
    if (!config.ca.cert_file) return ca::make_signer(config.trust_domain, now, lifetimes);
    Result<std::string> certificates = host::read_file(*config.ca.cert_file, longest_pem);
    if (!certificates) return fail(std::move(certificates.error()));
    Result<std::string> key = read_secret_file(config.ca.cert_key_file.value_or(""));
    if (!key) return fail(std::move(key.error()));
    Result<ca::OpenSigner> signer =
        ca::bring_signer(*certificates, *key, config.trust_domain, now, lifetimes);
    tls::wipe(*key);
    if (!signer) return fail(std::move(signer.error()), *config.ca.cert_file);
    return signer;
}

model::TrustDomain new_domain(const config::ServerConfig& config,
                              const model::Authority& authority) {
    model::TrustDomain domain;
    domain.name = config.trust_domain;
    domain.dns_domain = config.dns_domain;
    domain.vip4 = config.vip4;
    domain.vip6 = config.vip6;
    publish(authority, domain);
    domain.epoch = new_unique_id();
    return domain;
}

io::Task<Result<InitResult>> make_domain(RaftNode& raft, const config::ServerConfig& config) {
    if (Result<void> started = co_await raft.start(timeout); !started) {
        co_return fail(std::move(started.error()));
    }
    // Again: the log may hold what the stored rows did not yet.
    Result<std::optional<InitResult>> before = made_before(raft.registry(), config);
    if (!before) co_return fail(std::move(before.error()));
    if (*before) co_return std::move(**before);
    const WallTime now = io::wall_now();
    const Result<ca::OpenSigner> signer = new_signer(config, now);
    if (!signer) co_return fail(signer.error(), "making the certificate authority");
    // It stands on the disk before the entry that needs it.
    const Result<ca::SealingKey> key = read_or_make_sealing_key(sealing_key_place(config));
    if (!key) co_return fail(key.error());
    model::Authority authority;
    authority.active = ca::seal(*signer, *key);
    authority.sealing_key_id = key->id();
    const ca::OperatorTokenText token{.id = ca::new_token_id(), .secret = ca::new_token_secret()};
    // Ditto: nobody would ever see a token that is good but lost.
    Result<void> kept = write_secret_file(token_file(config.data_dir), token.to_text() + "\n");
    if (!kept) co_return fail(std::move(kept.error()));
    const model::TrustDomain domain = new_domain(config, authority);
    model::InitTrust command{.domain = domain,
                             .first_operator = {.id = token.id,
                                                .secret_hash = ca::hash_secret(token.secret),
                                                .role = model::Role::admin,
                                                .created_at = now},
                             .authority = std::move(authority)};
    const model::CommandEnvelope envelope{.command = command,
                                          .actor = std::format("uid:{}", ::geteuid())};
    if (auto entry = audit_entry(envelope, raft.registry().tables())) {
        if (Result<void> recorded = record_offline(config, {}, std::move(*entry)); !recorded)
            co_return fail(std::move(recorded.error()));
    }
    Result<registry::Outcome> outcome =
        co_await raft.propose({.command = std::move(command), .actor = "init", .proposed_at = now});
    if (!outcome) co_return fail(std::move(outcome.error()));
    co_await raft.stop(timeout);
    co_return describe(domain, token.to_text(), config.data_dir);
}

io::Task<void> run(RaftNode& raft, const config::ServerConfig& config, io::Loop& loop,
                   std::optional<Result<InitResult>>& result) {
    result = co_await make_domain(raft, config);
    loop.stop();
}

} // namespace

Result<InitResult> init(const config::ServerConfig& config) {
    if (Result<void> checked = model::check_trust_domain(config.trust_domain); !checked) {
        return fail(std::move(checked.error()));
    }
    Result<RestoredServer> restored = bootstrap(config.data_dir);
    if (!restored) return fail(std::move(restored.error()));
    Result<std::optional<InitResult>> before = made_before(restored->registry, config);
    if (!before) return fail(std::move(before.error()));
    if (*before) return std::move(**before);
    io::Loop loop("hawser-init");
    RaftNode raft(loop.executor(), std::move(*restored));
    io::TaskGroup tasks(loop.executor());
    std::optional<Result<InitResult>> result;
    tasks.spawn(run(raft, config, loop, result));
    loop.run();
    if (!result) return fail(ErrorCode::internal, "init did not finish");
    return std::move(*result);
}

Result<void> token_shown(const std::string& data_dir) {
    return host::remove_file(token_file(data_dir));
}

} // namespace hawser::server
