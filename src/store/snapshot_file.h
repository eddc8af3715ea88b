// Snapshots in files: written beside their place and moved there when complete, so that a file with
// the right name is a whole one. Blocking; one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/snapshot.h"

namespace hawser::store {

// One that is being written, private to this user (0600): it holds the hashes of tokens. Without
// keep() it is gone when this is.
class SnapshotFile {
  public:
    // What an earlier run left behind is overwritten.
    static Result<SnapshotFile> create(const std::string& path);
    SnapshotFile(SnapshotFile&& other) noexcept
        : path_(std::move(other.path_)),
          file_(std::exchange(other.file_, -1)),
          size_(other.size_) {}
    SnapshotFile& operator=(SnapshotFile&&) = delete;
    ~SnapshotFile();

    [[nodiscard]] Result<void> append(std::string_view bytes);
    [[nodiscard]] std::uint64_t size() const { return size_; }
    // Where it is until keep().
    [[nodiscard]] std::string partial_path() const;
    // It survives a power cut, under its name, in place of what was there.
    [[nodiscard]] Result<void> keep();

  private:
    SnapshotFile(std::string path, int file) : path_(std::move(path)), file_(file) {}
    std::string path_;
    int file_;
    std::uint64_t size_ = 0;
};

struct SnapshotSummary {
    SnapshotHeader header;
    std::string sha256; // 32 bytes
    std::uint64_t bytes = 0;
    std::map<model::Kind, std::uint64_t> rows;
};
// Reads all of it and believes nothing unchecked; the rows are only counted.
[[nodiscard]] Result<SnapshotSummary> inspect_snapshot(const std::string& path);

struct Snapshot {
    SnapshotHeader header;
    std::vector<model::Change> rows;
};
[[nodiscard]] Result<Snapshot> read_snapshot(const std::string& path);

} // namespace hawser::store
