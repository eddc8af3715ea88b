// The mesh as last heard, on disk, so that an agent serves after a restart with no server in
// reach. A cache: damage is noticed, said, and otherwise ignored.
//
// Serialising and syncing happen on a thread of their own, at most once a second: a slow disk must
// not delay heartbeats or DNS. save() is called on the control loop.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"
#include "model/proto/control.pb.h"

namespace hawser::agent {

class SnapshotCache {
  public:
    explicit SnapshotCache(std::string file);
    ~SnapshotCache(); // flush()es
    SnapshotCache(const SnapshotCache&) = delete;
    SnapshotCache& operator=(const SnapshotCache&) = delete;

    // Nothing: there is none. Corrupt: it was damaged.
    [[nodiscard]] static Result<std::optional<v1::MeshChanges>> load(const std::string& file);

    // The newest state replaces one that still waits.
    void save(v1::MeshChanges state);
    // Writes what waits, now, and ends the thread. save() does nothing after it.
    void flush();

  private:
    void write_until_stopped();

    std::string file_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::optional<v1::MeshChanges> waiting_;
    bool stopping_ = false;
    std::thread writer_;
};

// The file's content: a line that names the format, CRC-32C of the rest, the message.
[[nodiscard]] std::string encode_cache(const v1::MeshChanges& state);
[[nodiscard]] Result<v1::MeshChanges> decode_cache(std::string_view content);

} // namespace hawser::agent
