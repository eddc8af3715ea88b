// The log that a server writes: appended to, kept in files of bounded size and number, and looked
// through when it is opened. Blocking; one thread at a time, one Log a folder.
//
// An incomplete last line is what a crash leaves, and is taken away. Whatever else is wrong stays
// as it was found, and a chain of its own begins, whose first record says why (kind "break").
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/files.h"
#include "audit/record.h"
#include "base/result.h"
#include "base/units.h"

namespace hawser::audit {

// What the log asks of the disk; tests have one that fails.
class Disk {
  public:
    virtual ~Disk() = default;
    [[nodiscard]] virtual ssize_t write(int file, std::string_view bytes);
    [[nodiscard]] virtual int sync(int file);
};

struct LogOptions {
    std::string folder; // made, 0700; its parent is there
    std::string server; // whose log it is
    std::uint64_t file_bytes = 16 << 20;
    std::uint32_t keep_files = 20;
    Duration keep_for = std::chrono::days(400); // since a file was last written; zero: for ever
    Disk* disk = nullptr;                       // null: the real one
};

class Log {
  public:
    // `known`: how far the log had come as the registry knows it.
    static Result<Log> open(LogOptions options, std::optional<Head> known, WallTime now);
    Log(Log&& other) noexcept;
    Log& operator=(Log&&) = delete;
    ~Log();

    // All of them or none. A full disk is tried again by the next call; after any other failure,
    // and when what was begun cannot be taken back, every call fails.
    [[nodiscard]] Result<void> append(std::span<const Entry> entries);
    // What was appended survives a power cut.
    [[nodiscard]] Result<void> sync();

    [[nodiscard]] const Head& head() const { return head_; }
    [[nodiscard]] const Head& synced() const { return synced_; }
    // Begun since it was opened.
    [[nodiscard]] std::uint64_t new_files() const { return new_files_; }
    // What opening it took away; empty: nothing.
    [[nodiscard]] const std::string& repaired() const { return repaired_; }
    // Why the last chain that is kept began anew; empty: none did.
    [[nodiscard]] const std::string& damage() const { return damage_; }
    [[nodiscard]] const std::string& folder() const { return options_.folder; }

  private:
    explicit Log(LogOptions options);
    [[nodiscard]] Result<void> go_on(std::optional<Head> known, WallTime now);
    [[nodiscard]] Result<void> take_away_torn_line();
    [[nodiscard]] Result<void> begin_anew(std::uint64_t after, const std::string& why,
                                          WallTime now);
    [[nodiscard]] Result<void> use(const FileName& name);
    [[nodiscard]] Result<void> begin_file();
    [[nodiscard]] Result<void> drop_old(WallTime now);
    [[nodiscard]] Result<void> write(std::span<const Entry> entries);
    [[nodiscard]] Result<void> give_up(std::unexpected<Error> why);
    [[nodiscard]] std::string path_of(const std::string& name) const;

    LogOptions options_;
    Disk real_disk_;
    int file_ = -1;
    std::uint64_t size_ = 0;
    Head head_, synced_;
    std::uint64_t new_files_ = 0;
    bool dropping_due_ = false;
    std::string repaired_, damage_;
    std::optional<Error> failure_;
};

} // namespace hawser::audit
