#include "agent/mesh_state.h"

#include <format>
#include <utility>
#include <variant>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/units.h"
#include "model/codec.h"

namespace hawser::agent {
namespace {

// Every service with eight instances, every policy, a node for each instance: more than any mesh
// within the registry's limits sends at once.
constexpr std::size_t most_staged = limits::services * 16 + limits::policies;

bool known_kind(std::uint32_t kind) {
    return kind >= static_cast<std::uint32_t>(model::Kind::trust_domain) &&
           kind <= static_cast<std::uint32_t>(model::last_kind);
}

} // namespace

MeshState::MeshState(std::string trust_domain) : trust_domain_(std::move(trust_domain)) {}

Result<bool> MeshState::take(const v1::MeshChanges& batch) {
    if (batch.reset()) {
        staged_.clear();
        staged_reset_ = true;
    }
    for (const v1::Change& message : batch.changes()) {
        if (auto staged = stage(message); !staged) return fail(std::move(staged.error()));
    }
    if (!batch.complete()) return false;
    if (batch.index() == 0) return fail(ErrorCode::corrupt, "a mesh state without an index");
    if (!staged_reset_ && batch.index() < index()) {
        return fail(ErrorCode::corrupt,
                    std::format("changes lead back from index {} to {}", index(), batch.index()));
    }
    builder_.heard_of_join(batch.newest_join_ms());
    commit(batch.index());
    return true;
}

Result<void> MeshState::stage(const v1::Change& message) {
    // A newer server may have kinds of rows that this version has no use for.
    if (!known_kind(message.kind())) return {};
    if (staged_.size() >= most_staged)
        return fail(ErrorCode::resource_exhausted, "more changes than a mesh may have");
    auto change = model::from_proto(message);
    if (!change) return fail(std::move(change.error()));
    if (!model::visible_to_agents(change->kind)) return {};
    if (change->kind == model::Kind::trust_domain) {
        if (change->deleted()) return fail(ErrorCode::corrupt, "the trust domain was deleted");
        const auto& domain = std::get<model::TrustDomain>(*change->value);
        if (auto checked = check(domain); !checked) return checked;
    }
    staged_.push_back(std::move(*change));
    return {};
}

Result<void> MeshState::check(const model::TrustDomain& domain) const {
    if (domain.name != trust_domain_) {
        return fail(ErrorCode::corrupt, "the state of another trust domain, " + quote(domain.name) +
                                            " instead of " + quote(trust_domain_));
    }
    if (domain.epoch == epoch_ || domain.epoch_since >= epoch_since_) return {};
    return fail(ErrorCode::failed_precondition,
                std::format("its registry was given up: this agent follows the one that goes on "
                            "since {}. Stop that server. If it is to go on from there: hawser "
                            "server recover",
                            format_time(epoch_since_)));
}

void MeshState::commit(std::uint64_t index) {
    const bool nothing_new = staged_.empty() && !staged_reset_ && index == builder_.index();
    if (staged_reset_) builder_.reset();
    for (const model::Change& change : staged_) {
        builder_.apply(change);
        if (change.kind != model::Kind::trust_domain) continue;
        const auto& domain = std::get<model::TrustDomain>(*change.value);
        epoch_ = domain.epoch;
        epoch_since_ = domain.epoch_since;
    }
    builder_.set_index(index);
    forget_incomplete();
    if (!nothing_new) snapshot_.reset();
}

const model::SnapshotPtr& MeshState::snapshot() const {
    if (!snapshot_) snapshot_ = builder_.build();
    return snapshot_;
}

void MeshState::forget_incomplete() {
    staged_.clear();
    staged_.shrink_to_fit();
    staged_reset_ = false;
}

v1::MeshChanges MeshState::dump() const {
    v1::MeshChanges all;
    all.set_reset(true);
    all.set_complete(true);
    all.set_index(index());
    all.set_newest_join_ms(builder_.newest_join());
    for (const model::Change& change : builder_.rows())
        *all.add_changes() = model::to_proto(change);
    return all;
}

} // namespace hawser::agent
