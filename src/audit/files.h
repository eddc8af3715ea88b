// The files of an audit log: audit-<number of the first record>.jsonl in one folder, in the order
// of their names. Blocking.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hawser::audit {

[[nodiscard]] std::string file_name(std::uint64_t first);

// Names in the folder, the oldest first; what is not of the log is left out.
struct FileName {
    std::string name;
    std::uint64_t first = 0; // record
};
[[nodiscard]] Result<std::vector<FileName>> list_files(const std::string& folder);

// A file of the log as it was when it was opened: what is appended later is not seen, and what is
// removed later still is.
class OpenFile {
  public:
    static Result<OpenFile> open(const std::string& folder, FileName name);
    OpenFile(OpenFile&& other) noexcept
        : name_(std::move(other.name_)),
          file_(std::exchange(other.file_, -1)),
          size_(other.size_) {}
    OpenFile& operator=(OpenFile&&) = delete;
    ~OpenFile();

    [[nodiscard]] const FileName& name() const { return name_; }
    [[nodiscard]] std::uint64_t size() const { return size_; }

    // Each line until `take` says false. `whole`: it has an end.
    struct Line {
        std::uint64_t number = 0; // from 1
        std::uint64_t offset = 0;
        std::string_view text;
        bool whole = true;
    };
    [[nodiscard]] Result<void> read(const std::function<bool(const Line&)>& take) const;

  private:
    OpenFile(FileName name, int file, std::uint64_t size)
        : name_(std::move(name)), file_(file), size_(size) {}
    FileName name_;
    int file_;
    std::uint64_t size_;
};
[[nodiscard]] Result<std::vector<OpenFile>> open_files(const std::string& folder);

} // namespace hawser::audit
