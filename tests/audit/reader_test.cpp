#include "audit/reader.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "audit/log.h"
#include "chain.h"
#include "store/temporary_directory.h"

using namespace hawser;
using namespace hawser::audit;
using namespace hawser::audit::test;

namespace {

// Twenty records and their results, in several files.
struct Fixture {
    store::test::TemporaryDirectory directory;
    std::string folder = directory.file("audit");

    Fixture() {
        Result<Log> log = Log::open({.folder = folder, .server = "s1", .file_bytes = 2'000}, {},
                                    1'790'000'000'000);
        REQUIRE(log.has_value());
        for (int i = 1; i <= 20; ++i) {
            Entry entry = make_entry(i);
            if (i % 5 == 0) entry.who = "operator:ab";
            if (i % 2 == 0) entry.kind = "delete";
            const Entry result{.time = entry.time,
                               .server = "s1",
                               .kind = std::string(kind_result),
                               .of = log->head().sequence + 1,
                               .index = static_cast<std::uint64_t>(100 + i),
                               .result = "done"};
            REQUIRE(log->append({&entry, 1}).has_value());
            if (i != 20) REQUIRE(log->append({&result, 1}).has_value());
        }
    }
    std::vector<OpenFile> files() {
        auto opened = open_files(folder);
        REQUIRE(opened.has_value());
        return std::move(*opened);
    }
};

} // namespace

TEST_CASE("the newest records that fit are listed, the oldest first, with what became of them") {
    Fixture fixture;
    CHECK(fixture.files().size() > 3);
    const Result<Listing> all = list(fixture.files(), {});
    REQUIRE(all.has_value());
    CHECK(all->records.size() == 20);
    CHECK(all->records.front().entry.index == 101);
    CHECK(all->records.front().entry.result == "done");
    CHECK(all->records.back().entry.result.empty()); // nobody knows
    const Result<Listing> last = list(fixture.files(), {.most = 3});
    REQUIRE(last->records.size() == 3);
    CHECK(last->records[0].entry.what.front() == "service a18");
    CHECK(last->records[0].entry.index == 118);
    CHECK(list(fixture.files(), {.who = "operator:"})->records.size() == 4);
    CHECK(list(fixture.files(), {.kind = "delete"})->records.size() == 10);
    CHECK(list(fixture.files(), {.since = 1'790'000'000'016})->records.size() == 5);
}

TEST_CASE("files that are opened stay readable as they were") {
    Fixture fixture;
    const std::vector<OpenFile> files = fixture.files();
    std::ofstream(fixture.folder + "/" + files.back().name().name, std::ios::app) << "more";
    std::filesystem::remove(fixture.folder + "/" + files.front().name().name);
    const Result<Report> report = verify(files, Verifier());
    REQUIRE(report.has_value());
    CHECK_FALSE(report->problem.has_value());
    CHECK(report->last == 39);
}

TEST_CASE("the first bad line is named with its file") {
    Fixture fixture;
    const std::string second = fixture.files()[1].name().name;
    SUBCASE("a file that was renamed") {
        std::filesystem::rename(
            fixture.folder + "/" + second,
            fixture.folder + "/" + file_name(fixture.files()[1].name().first + 1));
        const Report report = *verify(fixture.files(), Verifier());
        REQUIRE(report.problem.has_value());
        CHECK(report.problem->what.contains("renamed"));
    }
    SUBCASE("a file that is missing") {
        std::filesystem::remove(fixture.folder + "/" + second);
        const Report report = *verify(fixture.files(), Verifier());
        REQUIRE(report.problem.has_value());
        CHECK(report.problem->line == 1);
        CHECK(report.problem->what.contains("those between are missing"));
    }
    SUBCASE("a line that never ends") {
        std::ofstream(fixture.folder + "/" + second, std::ios::app) << std::string(1 << 20, 'x');
        const Report report = *verify(fixture.files(), Verifier());
        REQUIRE(report.problem.has_value());
        CHECK(report.problem->file == second);
        CHECK(report.problem->what.contains("not a record"));
        CHECK(list(fixture.files(), {})->unreadable > 0);
    }
}
