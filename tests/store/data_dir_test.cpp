// The data directory: private, and one server's.
#include "store/data_dir.h"

#include <unistd.h>

#include <fstream>

#include "store/temporary_directory.h"

namespace hawser::store::test {

TEST_CASE("the directory is made, private, with its parents") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("lib/hawser/server");
    const Result<DataDir> opened = DataDir::open(path);
    REQUIRE(opened.has_value());
    CHECK(mode_of(path) == 0700);
    CHECK(mode_of(path + "/lock") == 0600);
    CHECK(opened->file("log.db") == path + "/log.db");
}

TEST_CASE("one that was open to others is closed to them") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    std::filesystem::create_directory(path);
    REQUIRE(::chmod(path.c_str(), 0755) == 0);
    REQUIRE(DataDir::open(path).has_value());
    CHECK(mode_of(path) == 0700);
}

TEST_CASE("a second server is refused and told whose it is") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    {
        const Result<DataDir> first = DataDir::open(path);
        REQUIRE(first.has_value());
        const Result<DataDir> second = DataDir::open(path);
        REQUIRE_FALSE(second.has_value());
        CHECK(second.error().code == ErrorCode::failed_precondition);
        CHECK(second.error().message == "another server (pid " + std::to_string(::getpid()) +
                                            ") uses the data directory " + path +
                                            ": stop it first");
    }
    CHECK(DataDir::open(path).has_value());
}

TEST_CASE("a file in the way is named") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    std::ofstream(path) << "x";
    CHECK(DataDir::open(path).error().message == path + " is not a directory");
    CHECK_FALSE(DataDir::open(path + "/below").has_value());
}

} // namespace hawser::store::test
