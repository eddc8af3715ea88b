#include "server/restore.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/unique_id.h"
#include "ca/authority.h"
#include "io/clock.h"
#include "server/audit_trail.h"
#include "server/authority_keeper.h"
#include "server/only_member.h"
#include "server/sealing_keys.h"
#include "server/secret_files.h"
#include "server/storage.h"
#include "store/snapshot_file.h"

namespace hawser::server {

namespace {

Result<model::TrustDomain> trust_domain_of(const store::Snapshot& snapshot) {
    const auto row =
        std::ranges::find(snapshot.rows, model::Kind::trust_domain, &model::Change::kind);
    if (row != snapshot.rows.end()) return std::get<model::TrustDomain>(*row->value);
    return fail(ErrorCode::failed_precondition, "the snapshot holds no trust domain");
}

const model::Authority* authority_of(const store::Snapshot& snapshot) {
    const auto row = std::ranges::find(snapshot.rows, model::Kind::authority, &model::Change::kind);
    return row == snapshot.rows.end() ? nullptr : std::get_if<model::Authority>(row->value.get());
}

// The keys must be those of the snapshot's mesh: with others no certificate would be believed.
Result<void> check_signer(const model::TrustDomain& domain, ca::OpenSigner signer,
                          const std::string& from) {
    const Result<ca::Authority> usable = ca::Authority::load(
        domain.name, std::move(signer.root), std::move(signer.chain), signer.key.text());
    if (!usable) return fail(usable.error(), from);
    return {};
}

// What opens the sealed keys in the snapshot: the operator's own, or a copy in `folder`.
Result<void> take_sealing_key(const config::ServerConfig& config, const std::string& folder,
                              const model::TrustDomain& domain, const model::Authority& authority) {
    const SealingKeyPlace place = sealing_key_place(config);
    SealingKeyPlace from = place;
    if (!place.from_operator()) from.path = folder + "/sealing.key";
    const Result<ca::SealingKey> key = read_sealing_key(from);
    if (!key) {
        return fail(key.error(),
                    std::format("a snapshot holds the authority's keys only sealed, and needs the "
                                "sealing key {}; say with --ca in which folder its file "
                                "sealing.key is",
                                authority.sealing_key_id));
    }
    Result<ca::OpenSigner> signer = ca::open(authority.active, *key);
    if (!signer) return fail(std::move(signer.error()), from.path);
    if (Result<void> usable = check_signer(domain, std::move(*signer), from.path); !usable)
        return usable;
    return place.from_operator() ? Result<void>() : store_sealing_key(place, *key);
}

// Of a mesh that has the keys in files.
Result<void> take_key_files(const config::ServerConfig& config, const std::string& folder,
                            const model::TrustDomain& domain) {
    Result<std::string> key = read_secret_file(folder + "/intermediate.key");
    if (!key) {
        return fail(std::move(key.error()),
                    "a snapshot does not hold the authority's keys; say where they are with --ca");
    }
    if (domain.roots.empty() || domain.intermediates.empty()) {
        return fail(ErrorCode::corrupt, "the snapshot's trust domain has no certificates");
    }
    const ca::OpenSigner signer{.root = domain.roots.front(),
                                .chain = {domain.intermediates.front()},
                                .root_key = {},
                                .key = {*key}};
    if (Result<void> usable = check_signer(
            domain, {.root = signer.root, .chain = signer.chain, .root_key = {}, .key = {*key}},
            folder);
        !usable)
        return usable;
    ca::NewAuthority authority{.root_der = signer.root,
                               .root_key_pem = {},
                               .intermediate_der = signer.chain.front(),
                               .intermediate_key_pem = std::move(*key)};
    std::error_code error;
    if (std::filesystem::exists(folder + "/root.key", error)) {
        Result<std::string> root = read_secret_file(folder + "/root.key");
        if (!root) return fail(std::move(root.error()));
        authority.root_key_pem = std::move(*root);
    }
    return store_authority(config.data_dir, authority);
}

Result<void> take_keys(const config::ServerConfig& config, const std::string& folder,
                       const model::TrustDomain& domain, const store::Snapshot& snapshot) {
    if (const model::Authority* authority = authority_of(snapshot))
        return take_sealing_key(config, folder, domain, *authority);
    return take_key_files(config, folder, domain);
}

// The log last: until it has an id the directory counts as empty, and all of this can be repeated.
Result<void> write(Storage& storage, const store::State& state, raft::ServerId self) {
    if (Result<void> stored = storage.state.replace(state); !stored) return stored;
    const raft::HardState hard_state{.term = state.installed->position.term};
    if (Result<void> made = storage.log.bootstrap(self, {.hard_state = hard_state}); !made) {
        return made;
    }
    const raft::Persist reset{
        .sequence = 1, .hard_state = hard_state, .reset = state.installed, .entries = {}};
    return storage.log.persist({&reset, 1});
}

} // namespace

Result<RestoreResult> restore_snapshot(const config::ServerConfig& config, const std::string& file,
                                       const std::string& ca) {
    Result<store::Snapshot> snapshot = store::read_snapshot(file);
    if (!snapshot) return fail(std::move(snapshot.error()), file);
    Result<model::TrustDomain> domain = trust_domain_of(*snapshot);
    if (!domain) return fail(std::move(domain.error()), file);
    Result<Storage> storage = open_storage(config.data_dir);
    if (!storage) return fail(std::move(storage.error()));
    if (storage->log.id() != raft::no_server) {
        return fail(ErrorCode::already_exists,
                    std::format("{} holds a registry already; move it away first, and keep it "
                                "until the restored one serves",
                                config.data_dir));
    }
    if (Result<void> taken = take_keys(config, ca, *domain, *snapshot); !taken)
        return fail(std::move(taken.error()));
    const RestoreResult result{.trust_domain = domain->name,
                               .index = snapshot->header.base.position.index,
                               .made_at = snapshot->header.made_at,
                               .data_dir = config.data_dir};
    Result<void> recorded = record_offline(
        config, {},
        {.kind = "restore",
         .who = std::format("uid:{}", ::geteuid()),
         .what = {"trust_domain " + domain->name, std::format("index {}", result.index)},
         .detail = "of " + file});
    if (!recorded) return fail(std::move(recorded.error()));
    // The servers' logs did not come along: they begin anew with this one.
    std::erase_if(snapshot->rows,
                  [](const auto& row) { return row.kind == model::Kind::audit_head; });
    begin_epoch(*domain, io::wall_now());
    const raft::ServerId self = new_unique_id();
    const store::State state =
        state_of_only_member(self, snapshot->header.base.position, std::move(snapshot->header.meta),
                             std::move(snapshot->rows), std::move(*domain));
    if (Result<void> stored = write(*storage, state, self); !stored) {
        return fail(std::move(stored.error()), config.data_dir);
    }
    return result;
}

} // namespace hawser::server
