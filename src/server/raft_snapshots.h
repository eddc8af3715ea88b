// Snapshots of the registry on their way between servers; store/snapshot.h has their form.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/event.h"
#include "registry/registry.h"
#include "store/snapshot.h"
#include "store/state_store.h"

namespace hawser::server {

// Those being sent, each to one server or to several.
class SnapshotSendings {
  public:
    using SourcePtr = std::shared_ptr<store::SnapshotSource>;

    // The one that is asked for; to begin one: the newest there is, if the log still has what
    // follows it. Null: there is none.
    [[nodiscard]] SourcePtr find(const raft::ReadSnapshot& read, raft::Index first_index);
    void add(raft::ServerId to, SourcePtr source);
    void close(raft::ServerId to);

  private:
    struct Sending {
        SourcePtr source;
        std::set<raft::ServerId> to;
    };
    std::vector<Sending> sendings_; // oldest first
};

// The one being received. Nothing is kept on disk before it is whole; then it takes the place of
// the stored rows in one transaction.
class SnapshotReceiver {
  public:
    // The registry when the piece was the last one and the whole is in the store. After a failure
    // nothing of the snapshot is kept, and the store is as it was.
    [[nodiscard]] Result<std::optional<registry::Registry>> take(const raft::WriteSnapshot& piece,
                                                                 store::StateStore& store);

  private:
    struct Arriving;
    [[nodiscard]] Result<std::optional<registry::Registry>> take_piece(
        const raft::WriteSnapshot& piece, store::StateStore& store);
    [[nodiscard]] Result<registry::Registry> install(const raft::Base& base,
                                                     store::StateStore& store);
    std::shared_ptr<Arriving> arriving_;
};

} // namespace hawser::server
