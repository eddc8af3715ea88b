// Snapshots of the registry, made by the clock and kept in a folder: the newest few.
//
// The rows are shared with the registry, which does not change them: all encoding and writing is
// the work of a thread of its own, and writes are never held up.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "io/loop.h"
#include "server/raft_node.h"
#include "store/snapshot.h"

namespace hawser::server {

// The registry as it is now. Fails while there is none yet.
[[nodiscard]] Result<store::SnapshotSource> take_snapshot(const RaftNode& raft,
                                                          const std::string& version);

class SnapshotKeeper {
  public:
    struct Options {
        std::string folder;
        Duration interval{}; // zero: none are made
        std::size_t keep = 1;
        std::string version; // of this program
    };
    SnapshotKeeper(io::Executor executor, const RaftNode& raft, Options options);
    ~SnapshotKeeper(); // waits for the one being written

    // Until cancelled.
    [[nodiscard]] io::Task<void> run();
    // Why the last one was not made; empty: it was.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

  private:
    struct Work;
    [[nodiscard]] io::Task<Result<void>> make();

    io::Executor executor_;
    const RaftNode& raft_;
    Options options_;
    std::string trouble_;
    io::Loop thread_;
};

// Files of such a folder, the oldest first; for retention and tests.
[[nodiscard]] std::vector<std::string> kept_snapshots(const std::string& folder);

} // namespace hawser::server
