// The raft log on disk: what was persisted comes back, and only that.
#include "store/log_store.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "raft/bootstrap.h"
#include "store/faulty_disk.h"
#include "store/temporary_directory.h"

namespace hawser::store::test {

namespace {

constexpr raft::ServerId self = 0xfedc'ba98'7654'3210;

raft::Entry command(raft::Index index, raft::Term term, const std::string& data) {
    return {.index = index,
            .term = term,
            .kind = raft::EntryKind::command,
            .data = raft::make_payload(data)};
}

raft::Persist write(raft::Term term, std::vector<raft::Entry> entries) {
    return {
        .sequence = 0, .hard_state = {.term = term, .vote = self}, .entries = std::move(entries)};
}

LogStore open(const std::string& path) {
    Result<LogStore> store = LogStore::open(path);
    if (!store) FAIL(store.error().message);
    return std::move(*store);
}

raft::Restored load(LogStore& store) {
    Result<raft::Restored> restored = store.load();
    if (!restored) FAIL(restored.error().message);
    return std::move(*restored);
}

void must(const Result<void>& result) {
    if (!result) FAIL(result.error().message);
}

std::vector<std::string> data_of(const raft::Restored& restored) {
    std::vector<std::string> data;
    for (const raft::Entry& entry : restored.entries) data.push_back(*entry.data);
    return data;
}

// Changes the file behind the store's back.
void tamper(const std::string& path, const std::string& sql) {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
}

// Turns over a bit of the byte at `place`, from 0, of the row that begins with entry `position`.
void flip(const std::string& path, raft::Index position, int place) {
    sqlite3* database = nullptr;
    sqlite3_blob* row = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    REQUIRE(sqlite3_blob_open(database, "main", "writes", "entries",
                              static_cast<sqlite3_int64>(position), 1, &row) == SQLITE_OK);
    char byte = 0;
    CHECK(sqlite3_blob_read(row, &byte, 1, place) == SQLITE_OK);
    byte = static_cast<char>(byte ^ 1);
    CHECK(sqlite3_blob_write(row, &byte, 1, place) == SQLITE_OK);
    sqlite3_blob_close(row);
    sqlite3_close(database);
}

} // namespace

TEST_CASE("a new log is nobody's and empty") {
    const TemporaryDirectory directory;
    LogStore store = open(directory.file("log.db"));
    CHECK(store.id() == raft::no_server);
    CHECK(load(store).entries.empty());
    CHECK(mode_of(directory.file("log.db")) == 0600);
    CHECK(mode_of(directory.file("log.db-wal")) == 0600);
}

TEST_CASE("what was persisted comes back after reopening") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("log.db");
    const std::string bytes("\0\xff binary", 9);
    {
        LogStore store = open(path);
        must(store.bootstrap(self, raft::bootstrap({self})));
        must(store.persist(std::vector{write(2, {command(2, 2, bytes)}),
                                       write(3, {command(3, 3, ""), command(4, 3, "c")})}));
    }
    LogStore store = open(path);
    CHECK(store.id() == self);
    const raft::Restored restored = load(store);
    CHECK(restored.id == self);
    CHECK(restored.hard_state == raft::HardState{.term = 3, .vote = self});
    REQUIRE(restored.entries.size() == 4);
    CHECK(restored.entries[0].kind == raft::EntryKind::configuration);
    CHECK(*restored.entries[1].data == bytes);
    CHECK(restored.entries[2].data->empty());
    CHECK(restored.entries[3].position() == raft::Position{.index = 4, .term = 3});
    CHECK(raft::Core::restore(restored).has_value());
}

TEST_CASE("a log is bootstrapped once") {
    const TemporaryDirectory directory;
    LogStore store = open(directory.file("log.db"));
    must(store.bootstrap(self, raft::bootstrap({self})));
    CHECK(store.bootstrap(1, raft::bootstrap({1})).error().code == ErrorCode::already_exists);
    CHECK(store.id() == self);
}

TEST_CASE("entries written over the end replace it") {
    const TemporaryDirectory directory;
    LogStore store = open(directory.file("log.db"));
    must(store.persist(
        std::vector{write(1, {command(1, 1, "a"), command(2, 1, "b"), command(3, 1, "c")})}));
    must(store.persist(std::vector{write(2, {command(2, 2, "B")})}));
    CHECK(data_of(load(store)) == std::vector<std::string>{"a", "B"});
    // Also within one transaction.
    must(store.persist(std::vector{write(2, {command(3, 2, "x"), command(4, 2, "y")}),
                                   write(3, {command(3, 3, "X")})}));
    CHECK(data_of(load(store)) == std::vector<std::string>{"a", "B", "X"});
}

TEST_CASE("term and vote may be written alone, and writing nothing is nothing") {
    const TemporaryDirectory directory;
    LogStore store = open(directory.file("log.db"));
    must(store.persist({}));
    must(store.persist(std::vector{write(7, {})}));
    CHECK(load(store).hard_state.term == 7);
}

TEST_CASE("compaction drops entries and remembers where the log begins") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("log.db");
    {
        LogStore store = open(path);
        must(store.bootstrap(self, raft::bootstrap({self})));
        must(store.persist(std::vector{write(2, {command(2, 2, "b"), command(3, 2, "c")})}));
        must(store.compact(
            {.position = {.index = 2, .term = 2}, .configuration = {.voters = {self}}}));
    }
    LogStore store = open(path);
    const raft::Restored restored = load(store);
    CHECK(restored.base.position == raft::Position{.index = 2, .term = 2});
    CHECK(restored.base.configuration.only_voter(self));
    CHECK(data_of(restored) == std::vector<std::string>{"c"});
    CHECK(restored.hard_state.term == 2);
}

TEST_CASE("a batch costs one fsync, however much is in it") {
    const TemporaryDirectory directory;
    FaultyDisk disk;
    LogStore store = open(directory.file("log.db"));
    must(store.bootstrap(self, raft::bootstrap({self})));
    must(store.persist(std::vector{write(2, {command(2, 2, "warm up")})}));
    disk.syncs = 0;
    must(store.persist(std::vector{write(2, {command(3, 2, "a")})}));
    CHECK(disk.syncs == 1);
    disk.syncs = 0;
    std::vector<raft::Persist> writes;
    for (raft::Index index = 4; index < 104; ++index) {
        writes.push_back(write(2, {command(index, 2, std::string(100, 'x'))}));
    }
    must(store.persist(writes));
    CHECK(disk.syncs == 1);
}

// A killed process leaves what it wrote and did not sync: readable, but lost in a power cut.
TEST_CASE("what is found at a start is synced before anybody is told of it") {
    const TemporaryDirectory directory;
    const std::string killed = directory.file("killed.db"), found = directory.file("found.db");
    LogStore store = open(killed);
    const raft::Persist batch = write(3, {command(1, 3, "a")});
    must(store.persist({&batch, 1}));
    for (const std::string suffix : {"", "-wal"})
        std::filesystem::copy_file(killed + suffix, found + suffix);

    FaultyDisk disk;
    SUBCASE("both files") {
        disk.recording = true;
        LogStore again = open(found);
        CHECK(data_of(load(again)) == std::vector<std::string>{"a"});
        const auto synced = [&](const std::string& file) {
            return std::ranges::any_of(disk.operations, [&](const FaultyDisk::Operation& each) {
                return each.kind == FaultyDisk::Operation::Kind::sync && each.file == file;
            });
        };
        CHECK(synced(found));
        CHECK(synced(found + "-wal"));
    }
    SUBCASE("or nothing is believed") {
        disk.syncs_until_error = 0;
        const Result<LogStore> refused = LogStore::open(found);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().message.contains("cannot sync what was found"));
    }
}

TEST_CASE("a full disk loses nothing that was there and takes the write again later") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("log.db");
    FaultyDisk disk;
    for (int writes = 1; writes <= 6; ++writes) {
        CAPTURE(writes);
        std::filesystem::remove(path);
        std::filesystem::remove(path + "-wal");
        {
            LogStore store = open(path);
            must(store.persist(std::vector{write(1, {command(1, 1, "kept")})}));
            const std::vector more{
                write(2, {command(2, 2, std::string(9000, 'x')), command(3, 2, "y")})};
            disk.writes_until_full = writes;
            const Result<void> full = store.persist(more);
            REQUIRE_FALSE(full.has_value());
            CHECK(full.error().code == ErrorCode::resource_exhausted);
            CHECK(full.error().message.starts_with(path));
            CHECK(data_of(load(store)) == std::vector<std::string>{"kept"});
            CHECK(load(store).hard_state.term == 1);
            disk.writes_until_full = -1;
            must(store.persist(more));
        }
        LogStore store = open(path);
        CHECK(load(store).entries.size() == 3);
        CHECK(load(store).hard_state.term == 2);
    }
}

TEST_CASE("a device that fails to sync is not a full disk") {
    const TemporaryDirectory directory;
    FaultyDisk disk;
    LogStore store = open(directory.file("log.db"));
    disk.syncs_until_error = 1;
    const Result<void> failed = store.persist(std::vector{write(1, {command(1, 1, "a")})});
    REQUIRE_FALSE(failed.has_value());
    CHECK(failed.error().code == ErrorCode::internal);
    disk.syncs_until_error = -1;
}

TEST_CASE("a reset drops what was stored and begins after a snapshot; an older cut is forgotten") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("log.db");
    const raft::Base base{.position = {.index = 70, .term = 4},
                          .configuration = {.voters = {self, ~raft::ServerId{0}}, .learners = {3}}};
    {
        LogStore store = open(path);
        must(store.bootstrap(self, raft::bootstrap({self})));
        must(store.persist(std::vector{write(2, {command(2, 2, "old"), command(3, 2, "old")})}));
        raft::Persist reset = write(5, {command(71, 5, "a")});
        reset.reset = base;
        must(store.persist(std::vector{reset, write(5, {command(72, 5, "b")})}));
        must(store.compact({.position = {.index = 2, .term = 2}, .configuration = {}}));
    }
    LogStore store = open(path);
    const raft::Restored restored = load(store);
    CHECK(restored.base == base);
    CHECK(restored.hard_state.term == 5);
    CHECK(data_of(restored) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("a damaged entry is named and nothing is served") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("log.db");
    {
        LogStore store = open(path);
        must(store.bootstrap(self, raft::bootstrap({self})));
        must(store.persist(std::vector{write(2, {command(2, 2, "b"), command(3, 2, "c")})}));
        must(store.persist(std::vector{write(2, {command(4, 2, "d")})}));
    }
    const auto refusal = [&] {
        Result<LogStore> store = LogStore::open(path);
        if (!store) return store.error();
        Result<raft::Restored> restored = store->load();
        if (!restored) return restored.error();
        // Missing entries are for the core to notice.
        Result<raft::Core> core = raft::Core::restore(std::move(*restored));
        REQUIRE_FALSE(core.has_value());
        return core.error();
    };
    std::string named = "entry 2 fails its checksum";
    // The row of entries 2 and 3: for each a checksum, its index, term and kind, and its data.
    SUBCASE("its data") {
        flip(path, 2, 40);
    }
    SUBCASE("its term") {
        flip(path, 2, 23);
    }
    SUBCASE("its kind") {
        flip(path, 2, 31);
    }
    SUBCASE("its checksum") {
        flip(path, 2, 7);
    }
    SUBCASE("the length of its data") {
        flip(path, 2, 39);
    }
    SUBCASE("its place") {
        flip(path, 2, 15);
    }
    SUBCASE("the one after it") {
        flip(path, 2, 81);
        named = "entry 3 fails its checksum";
    }
    SUBCASE("cut off") {
        tamper(path,
               "UPDATE writes SET entries = substr(entries, 1, length(entries) - 1) "
               "WHERE position = 2");
        named = "entry 3 fails its checksum";
    }
    SUBCASE("its row's place") {
        tamper(path, "UPDATE writes SET position = 9 WHERE position = 2");
        named = "entry 9 fails its checksum";
    }
    SUBCASE("lost") {
        tamper(path, "DELETE FROM writes WHERE position = 2");
        named = "the log goes from entry 1 to entry 4";
    }
    SUBCASE("the term and vote") {
        tamper(path, "UPDATE head SET fields = x'00'");
        named = "the stored term and vote fail their checksum";
    }
    SUBCASE("the term and vote are lost") {
        tamper(path, "DELETE FROM head");
        named = "the stored server id is zero";
    }
    const Error error = refusal();
    CHECK(error.code == ErrorCode::corrupt);
    CHECK(error.message.find(named) != std::string::npos);
}

TEST_CASE("a byte flipped anywhere in the file is noticed or harmless") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("log.db");
    {
        LogStore store = open(path);
        must(store.bootstrap(self, raft::bootstrap({self})));
        for (raft::Index index = 2; index < 40; ++index) {
            must(store.persist(std::vector{write(2, {command(index, 2, std::string(200, 'd'))})}));
        }
    }
    const std::vector<std::string> expected = [&] {
        LogStore store = open(path);
        return data_of(load(store));
    }();
    const auto size = static_cast<std::size_t>(std::filesystem::file_size(path));
    std::string file(size, '\0');
    std::ifstream(path, std::ios::binary).read(file.data(), static_cast<std::streamsize>(size));
    int noticed = 0;
    for (std::size_t at = 0; at < size; at += 37) {
        std::string damaged = file;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        std::filesystem::remove(path + "-wal");
        std::ofstream(path, std::ios::binary | std::ios::trunc) << damaged;
        Result<LogStore> store = LogStore::open(path);
        if (!store) {
            ++noticed;
            continue;
        }
        Result<raft::Restored> restored = store->load();
        if (!restored || !raft::Core::restore(*restored)) {
            ++noticed;
            continue;
        }
        CAPTURE(at);
        CHECK(data_of(*restored) == expected);
        CHECK(restored->hard_state == raft::HardState{.term = 2, .vote = self});
    }
    CHECK(noticed > 10);
}

TEST_CASE("a file that is no database, or another version's, is refused") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("log.db");
    SUBCASE("junk") {
        std::ofstream(path) << std::string(5000, 'j');
        CHECK(LogStore::open(path).error().code == ErrorCode::corrupt);
    }
    SUBCASE("newer") {
        {
            LogStore store = open(path);
        }
        tamper(path, "PRAGMA user_version = 99");
        const Result<LogStore> opened = LogStore::open(path);
        CHECK(opened.error().code == ErrorCode::failed_precondition);
        CHECK(opened.error().message == path + " has format 99, this version reads 2");
    }
    SUBCASE("a directory that is not there") {
        CHECK_FALSE(LogStore::open(directory.file("none/log.db")).has_value());
    }
}

} // namespace hawser::store::test
