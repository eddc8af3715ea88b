// A disk that fails on command, and counts what it is asked for: an SQLite VFS over the real one.
// Installed as the default while it lives, so that the stores open their files through it.
#pragma once

#include <sqlite3.h>

namespace hawser::store::test {

class FaultyDisk {
  public:
    FaultyDisk();
    ~FaultyDisk();
    FaultyDisk(const FaultyDisk&) = delete;
    FaultyDisk& operator=(const FaultyDisk&) = delete;

    // From now on; -1: never. Counts down by one a call, then fails until set again.
    int writes_until_full = -1;
    int syncs_until_error = -1;

    int writes = 0;
    int syncs = 0;

  private:
    sqlite3_vfs* real_;
    sqlite3_vfs vfs_;
};

} // namespace hawser::store::test
