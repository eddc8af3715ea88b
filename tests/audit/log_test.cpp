#include "audit/log.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "audit/reader.h"
#include "chain.h"
#include "store/temporary_directory.h"

using namespace hawser;
using namespace hawser::audit;
using namespace hawser::audit::test;

namespace {

constexpr WallTime now = 1'790'000'000'000;

class FailingDisk : public Disk {
  public:
    ssize_t write(int file, std::string_view bytes) override {
        if (room < 0) return Disk::write(file, bytes);
        if (room == 0) {
            errno = error;
            return -1;
        }
        const auto part = std::min<std::size_t>(static_cast<std::size_t>(room), bytes.size());
        const ssize_t written = Disk::write(file, bytes.substr(0, part));
        room -= static_cast<int>(written);
        return written;
    }
    int sync(int file) override {
        ++syncs;
        if (!sync_fails) return Disk::sync(file);
        errno = EIO;
        return -1;
    }
    int room = -1; // bytes; -1: enough
    int error = ENOSPC;
    bool sync_fails = false;
    int syncs = 0;
};

struct Fixture {
    store::test::TemporaryDirectory directory;
    LogOptions options{.folder = directory.file("audit"), .server = "s1"};

    Result<Log> try_open(std::optional<Head> known = {}) { return Log::open(options, known, now); }
    Log open(std::optional<Head> known = {}) {
        Result<Log> log = try_open(known);
        if (!log) FAIL(log.error().message);
        return std::move(*log);
    }
    static void add(Log& log, int first, int count) {
        std::vector<Entry> entries;
        for (int i = 0; i < count; ++i) entries.push_back(make_entry(first + i));
        const Result<void> added = log.append(entries);
        if (!added) FAIL(added.error().message);
    }
    Report verify(std::optional<Head> known = {}) {
        const auto files = open_files(options.folder);
        REQUIRE(files.has_value());
        return *audit::verify(*files, Verifier(known));
    }
    std::string file(std::uint64_t first) { return options.folder + "/" + file_name(first); }
    std::string read(std::uint64_t first) {
        std::ostringstream text;
        text << std::ifstream(file(first)).rdbuf();
        return std::move(text).str();
    }
    void write(std::uint64_t first, const std::string& text) {
        std::ofstream(file(first), std::ios::trunc) << text;
    }
};

} // namespace

TEST_CASE("a log goes on where it ended, private to its user") {
    Fixture fixture;
    {
        Log log = fixture.open();
        Fixture::add(log, 1, 3);
        CHECK(log.synced().sequence == 0);
        CHECK(log.sync().has_value());
        CHECK(log.synced() == log.head());
    }
    Log log = fixture.open();
    CHECK(log.damage().empty());
    CHECK(log.repaired().empty());
    Fixture::add(log, 4, 1);
    CHECK(log.head().sequence == 4);
    const Report report = fixture.verify(log.head());
    CHECK_FALSE(report.problem.has_value());
    CHECK(report.last == 4);
    CHECK(report.compared == 4);
    CHECK(store::test::mode_of(fixture.file(1)) == 0600);
    CHECK(store::test::mode_of(fixture.options.folder) == 0700);
}

TEST_CASE("files are bounded in size, number and age, and the log says what it dropped") {
    Fixture fixture;
    fixture.options.file_bytes = 1'000;
    fixture.options.keep_files = 3;
    Log log = fixture.open();
    for (int i = 0; i < 60; ++i) Fixture::add(log, i, 1);
    CHECK(list_files(fixture.options.folder)->size() == 3);
    CHECK(log.new_files() > 10);
    const Report report = fixture.verify(log.head());
    CHECK_FALSE(report.problem.has_value());
    CHECK(report.first > 30);
    // A file that somebody else took is missed.
    std::filesystem::remove(fixture.options.folder + "/" +
                            list_files(fixture.options.folder)->front().name);
    REQUIRE(fixture.verify().problem.has_value());
    CHECK(fixture.verify().problem->what.contains("nothing says that those before were dropped"));
}

TEST_CASE("old files go when another begins") {
    Fixture fixture;
    fixture.options.file_bytes = 1'000;
    fixture.options.keep_for = std::chrono::hours(1);
    Log log = fixture.open();
    Entry entry = make_entry(1);
    entry.time = std::chrono::duration_cast<std::chrono::milliseconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count();
    for (int i = 0; i < 20; ++i) REQUIRE(log.append({&entry, 1}).has_value());
    const std::size_t kept = list_files(fixture.options.folder)->size();
    CHECK(kept > 2);
    entry.time += 2 * 3'600'000;
    for (int i = 0; i < 10; ++i) REQUIRE(log.append({&entry, 1}).has_value());
    // As files go by when they were written, all that were before the last one are old to it.
    CHECK(list_files(fixture.options.folder)->size() == 1);
    CHECK_FALSE(fixture.verify(log.head()).problem.has_value());
}

TEST_CASE("an incomplete last line is taken away, said, and the chain goes on") {
    Fixture fixture;
    {
        Log log = fixture.open();
        Fixture::add(log, 1, 3);
    }
    const std::string whole = fixture.read(1);
    const std::size_t last = whole.find_last_of('\n', whole.size() - 2) + 1;
    for (const std::size_t length : {last + 1, last + 40, whole.size() - 1}) {
        fixture.write(1, whole.substr(0, length));
        CHECK(fixture.verify().problem->what.contains("not complete"));
        Log log = fixture.open();
        CHECK(log.head().sequence == 2);
        CHECK(log.repaired().contains(std::to_string(length - last) + " bytes"));
        CHECK(log.damage().empty());
        Fixture::add(log, 9, 1);
        CHECK_FALSE(fixture.verify(log.head()).problem.has_value());
    }
    // The registry knows better: that record was complete once.
    fixture.write(1, whole.substr(0, whole.size() - 1));
    Log log = fixture.open(Head{.sequence = 3, .hash = std::string(32, 'x')});
    CHECK(log.damage().contains("ends with record 2, but the registry knows record 3"));
}

TEST_CASE("a file that was begun and never written to is no damage") {
    Fixture fixture;
    {
        Log log = fixture.open();
    }
    CHECK(fixture.read(1).empty());
    {
        Log log = fixture.open();
        Fixture::add(log, 1, 2);
    }
    fixture.write(3, "");
    Log log = fixture.open();
    CHECK(log.damage().empty());
    Fixture::add(log, 3, 1);
    CHECK_FALSE(fixture.verify(log.head()).problem.has_value());
}

TEST_CASE("damage stays as it is found, and a chain that says so begins once") {
    Fixture fixture;
    {
        Log log = fixture.open();
        Fixture::add(log, 1, 5);
    }
    std::string text = fixture.read(1);
    text[text.find("service a2") + 9] = '7';
    fixture.write(1, text);
    {
        Log log = fixture.open();
        CHECK(log.damage().contains(", line 2: record 2 was changed"));
        CHECK(log.head().sequence == 6);
        Fixture::add(log, 7, 1);
    }
    CHECK(fixture.read(1) == text);
    const std::size_t files = list_files(fixture.options.folder)->size();
    Log log = fixture.open();
    CHECK(log.damage().contains("record 2 was changed")); // as long as it is kept
    CHECK(list_files(fixture.options.folder)->size() == files);
    CHECK(log.head().sequence == 7);
    REQUIRE(fixture.verify().problem.has_value());
    CHECK(fixture.verify().problem->line == 2);
    // Damage of the new chain is noticed as well.
    text = fixture.read(6);
    text[text.find("service a7") + 9] = '8';
    fixture.write(6, text);
    CHECK(fixture.open().damage().contains("record 7 was changed"));
}

TEST_CASE("a log that is gone is missed by what the registry knows") {
    Fixture fixture;
    Log log = fixture.open(Head{.sequence = 40, .hash = std::string(32, 'x')});
    CHECK(log.damage().contains("ends with record 0, but the registry knows record 40"));
    CHECK(log.head().sequence == 41);
}

TEST_CASE("a full disk refuses records whole, and takes them again when it has room") {
    Fixture fixture;
    FailingDisk disk;
    fixture.options.disk = &disk;
    Log log = fixture.open();
    Fixture::add(log, 1, 2);
    disk.room = 100;
    const std::vector<Entry> entries{make_entry(3), make_entry(4)};
    const Result<void> refused = log.append(entries);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::resource_exhausted);
    CHECK(log.head().sequence == 2);
    CHECK_FALSE(fixture.verify(log.head()).problem.has_value());
    disk.room = -1;
    REQUIRE(log.append(entries).has_value());
    CHECK(log.head().sequence == 4);
    CHECK_FALSE(fixture.verify(log.head()).problem.has_value());
}

TEST_CASE("after an error of the disk nothing more is recorded") {
    Fixture fixture;
    FailingDisk disk;
    fixture.options.disk = &disk;
    SUBCASE("of a write") {
        Log log = fixture.open();
        disk.room = 0;
        disk.error = EIO;
        const Entry entry = make_entry(1);
        CHECK_FALSE(log.append({&entry, 1}).has_value());
        disk.room = -1;
        CHECK(log.append({&entry, 1}).error().message.contains("until this server is restarted"));
    }
    SUBCASE("of a sync") {
        Log log = fixture.open();
        Fixture::add(log, 1, 1);
        disk.sync_fails = true;
        CHECK_FALSE(log.sync().has_value());
        disk.sync_fails = false;
        CHECK_FALSE(log.sync().has_value());
        const Entry entry = make_entry(2);
        CHECK_FALSE(log.append({&entry, 1}).has_value());
    }
}
