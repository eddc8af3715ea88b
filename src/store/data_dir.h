// The directory that holds everything a server must not lose, private to it (0700), used by one
// server at a time.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace hawser::store {

class DataDir {
  public:
    // Makes the directory where there is none. Fails, naming the other process, when another
    // server has it.
    static Result<DataDir> open(const std::string& path);
    DataDir(DataDir&& other) noexcept
        : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}
    DataDir& operator=(DataDir&&) = delete;
    ~DataDir(); // gives it up

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file(std::string_view name) const;

  private:
    DataDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
    std::string path_;
    int lock_; // descriptor of the lock file; the kernel frees the lock when the process ends
};

} // namespace hawser::store
