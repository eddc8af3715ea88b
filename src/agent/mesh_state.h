// What this agent knows of the mesh: takes the server's batches, and makes a snapshot when the
// state is consistent again. Batches in between wait aside, so a connection that breaks within a
// snapshot, or a server that sends nonsense, leaves what was known before untouched.
// Control loop only; no waiting, no I/O.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/mesh_snapshot.h"
#include "model/proto/control.pb.h"

namespace hawser::agent {

class MeshState {
  public:
    // Changes of another trust domain's row are refused, and of an epoch older than the newest that
    // was followed.
    explicit MeshState(std::string trust_domain);

    // true: complete, snapshot() is new. An error says what is wrong with the batch; the peer that
    // sent it is not to be trusted with the next one: forget() and connect anew.
    [[nodiscard]] Result<bool> take(const v1::MeshChanges& batch);
    // Drops batches that wait for their completion.
    void forget_incomplete();

    [[nodiscard]] const std::string& trust_domain() const { return trust_domain_; }
    // Never null. Made when asked for first: several batches in a row cost one.
    [[nodiscard]] const model::SnapshotPtr& snapshot() const;
    // Of the last complete state; 0: none yet.
    [[nodiscard]] std::uint64_t index() const { return builder_.index(); }
    // Whether the mesh itself is known: its name for DNS, its VIP ranges, its roots.
    [[nodiscard]] bool known() const { return index() != 0; }
    // Of the last complete state, each with the index of its last change.
    [[nodiscard]] std::vector<model::Change> rows(model::Kind kind) const {
        return builder_.rows(kind);
    }
    // Its history of the mesh: never an older one again. Of the last complete state.
    [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
    [[nodiscard]] WallTime epoch_since() const { return epoch_since_; }
    // All of it as one batch that take() accepts, with what is known of nodes that are gone.
    [[nodiscard]] v1::MeshChanges dump() const;

  private:
    [[nodiscard]] Result<void> stage(const v1::Change& message);
    [[nodiscard]] Result<void> check(const model::TrustDomain& domain) const;
    void commit(std::uint64_t index);

    std::string trust_domain_;
    model::SnapshotBuilder builder_;
    std::uint64_t epoch_ = 0;
    WallTime epoch_since_ = 0;
    mutable model::SnapshotPtr snapshot_; // null: to be made
    std::vector<model::Change> staged_;
    bool staged_reset_ = false;
};

} // namespace hawser::agent
