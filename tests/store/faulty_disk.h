// A disk that fails on command, counts what it is asked for, and writes it down: an SQLite VFS over
// the real one.
// Installed as the default while it lives, so that the stores open their files through it.
#pragma once

#include <sqlite3.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace hawser::store::test {

class FaultyDisk {
  public:
    struct Operation {
        enum class Kind : std::uint8_t { write, truncate, sync, remove };
        Kind kind{};
        std::string file;
        std::size_t offset = 0; // truncate: the new length
        std::string data;
    };

    FaultyDisk();
    ~FaultyDisk();
    FaultyDisk(const FaultyDisk&) = delete;
    FaultyDisk& operator=(const FaultyDisk&) = delete;

    // From now on; -1: never. Counts down by one a call, then fails until set again. From any
    // thread; the rest of this belongs to the one that uses the stores.
    std::atomic<int> writes_until_full = -1;
    std::atomic<int> syncs_until_error = -1;

    // Writes to files of this name wait until hung is false again. The name is set once.
    std::string hangs_at;
    std::atomic<bool> hung = false;

    std::atomic<int> writes = 0;
    std::atomic<int> syncs = 0;

    bool syncs_for_real = true;
    bool recording = false;
    std::vector<Operation> operations; // that succeeded

    void record(Operation operation);

  private:
    sqlite3_vfs* real_;
    sqlite3_vfs vfs_;
};

} // namespace hawser::store::test
