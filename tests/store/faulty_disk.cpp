#include "store/faulty_disk.h"

#include <new>
#include <string_view>
#include <utility>

namespace hawser::store::test {

namespace {

using Kind = FaultyDisk::Operation::Kind;

// SQLite allocates one of these a file, with the real one's file behind it.
struct File {
    sqlite3_file base;
    FaultyDisk* disk;
    const char* name; // SQLite keeps it as long as the file is open
    sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File* as_file(sqlite3_file* file) {
    return reinterpret_cast<File*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
    return as_file(file)->real();
}

bool fails(std::atomic<int>& countdown) {
    if (countdown > 0) --countdown;
    return countdown == 0;
}

int do_close(sqlite3_file* file) {
    return real(file)->pMethods->xClose(real(file));
}
int do_read(sqlite3_file* file, void* to, int count, sqlite3_int64 from) {
    return real(file)->pMethods->xRead(real(file), to, count, from);
}
int do_write(sqlite3_file* file, const void* data, int count, sqlite3_int64 at) {
    FaultyDisk& disk = *as_file(file)->disk;
    ++disk.writes;
    if (!disk.hangs_at.empty() && std::string_view(as_file(file)->name).contains(disk.hangs_at))
        disk.hung.wait(true);
    if (fails(disk.writes_until_full)) return SQLITE_FULL;
    disk.record(
        {.kind = Kind::write,
         .file = as_file(file)->name,
         .offset = static_cast<std::size_t>(at),
         .data = std::string(static_cast<const char*>(data), static_cast<std::size_t>(count))});
    return real(file)->pMethods->xWrite(real(file), data, count, at);
}
int do_truncate(sqlite3_file* file, sqlite3_int64 size) {
    as_file(file)->disk->record({.kind = Kind::truncate,
                                 .file = as_file(file)->name,
                                 .offset = static_cast<std::size_t>(size),
                                 .data = {}});
    return real(file)->pMethods->xTruncate(real(file), size);
}
int do_sync(sqlite3_file* file, int flags) {
    FaultyDisk& disk = *as_file(file)->disk;
    ++disk.syncs;
    if (fails(disk.syncs_until_error)) return SQLITE_IOERR_FSYNC;
    disk.record({.kind = Kind::sync, .file = as_file(file)->name, .data = {}});
    return disk.syncs_for_real ? real(file)->pMethods->xSync(real(file), flags) : SQLITE_OK;
}
int do_file_size(sqlite3_file* file, sqlite3_int64* size) {
    return real(file)->pMethods->xFileSize(real(file), size);
}
int do_lock(sqlite3_file* file, int level) {
    return real(file)->pMethods->xLock(real(file), level);
}
int do_unlock(sqlite3_file* file, int level) {
    return real(file)->pMethods->xUnlock(real(file), level);
}
int do_check_lock(sqlite3_file* file, int* result) {
    return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
int do_control(sqlite3_file* file, int operation, void* argument) {
    return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int do_sector_size(sqlite3_file* file) {
    return real(file)->pMethods->xSectorSize(real(file));
}
int do_characteristics(sqlite3_file* file) {
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

// Version 1: no shared memory, which the stores do not need.
const sqlite3_io_methods methods = [] {
    sqlite3_io_methods made{};
    made.iVersion = 1;
    made.xClose = do_close;
    made.xRead = do_read;
    made.xWrite = do_write;
    made.xTruncate = do_truncate;
    made.xSync = do_sync;
    made.xFileSize = do_file_size;
    made.xLock = do_lock;
    made.xUnlock = do_unlock;
    made.xCheckReservedLock = do_check_lock;
    made.xFileControl = do_control;
    made.xSectorSize = do_sector_size;
    made.xDeviceCharacteristics = do_characteristics;
    return made;
}();

// pAppData holds the disk; the real VFS is the next one by name.
int do_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    File* opened = as_file(file);
    opened->base.pMethods = nullptr;
    opened->disk = static_cast<FaultyDisk*>(vfs->pAppData);
    opened->name = name;
    sqlite3_vfs* under = sqlite3_vfs_find("unix");
    const int result = under->xOpen(under, name, opened->real(), flags, out_flags);
    if (result == SQLITE_OK) opened->base.pMethods = &methods;
    return result;
}

int do_delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    static_cast<FaultyDisk*>(vfs->pAppData)
        ->record({.kind = Kind::remove, .file = name, .data = {}});
    sqlite3_vfs* under = sqlite3_vfs_find("unix");
    return under->xDelete(under, name, sync_directory);
}

} // namespace

void FaultyDisk::record(Operation operation) {
    if (recording) operations.push_back(std::move(operation));
}

FaultyDisk::FaultyDisk() : real_(sqlite3_vfs_find("unix")), vfs_(*real_) {
    vfs_.zName = "faulty";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.pAppData = this;
    vfs_.pNext = nullptr;
    vfs_.xOpen = do_open;
    vfs_.xDelete = do_delete;
    sqlite3_vfs_register(&vfs_, 1);
}

FaultyDisk::~FaultyDisk() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
}

} // namespace hawser::store::test
