// Files for keys.
#include "server/secret_files.h"

#include <sys/stat.h>

#include <fstream>

#include "store/temporary_directory.h"

namespace hawser::server::test {

using store::test::mode_of;
using store::test::TemporaryDirectory;

TEST_CASE("a key is written private and read back") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("ca/key");
    REQUIRE(make_secret_directory(directory.file("ca")).has_value());
    REQUIRE(make_secret_directory(directory.file("ca")).has_value());
    CHECK(mode_of(directory.file("ca")) == 0700);
    REQUIRE(write_secret_file(path, "first").has_value());
    REQUIRE(write_secret_file(path, "second").has_value());
    CHECK(mode_of(path) == 0600);
    CHECK(read_secret_file(path).value() == "second");
    CHECK_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_CASE("a directory that was there stays as its owner made it") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("ca");
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    REQUIRE(::chmod(path.c_str(), 0750) == 0);
    REQUIRE(make_secret_directory(path).has_value());
    CHECK(mode_of(path) == 0750);
    REQUIRE(write_secret_file(path + "/key", "x").has_value());
    CHECK(mode_of(path + "/key") == 0600);
    CHECK_FALSE(make_secret_directory(path + "/key").has_value());
}

TEST_CASE("a key that others may read is refused, with the cure") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("key");
    REQUIRE(write_secret_file(path, "x").has_value());
    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    const Result<std::string> read = read_secret_file(path);
    CHECK(read.error().code == ErrorCode::failed_precondition);
    CHECK(read.error().message.find("mode 0640") != std::string::npos);
}

TEST_CASE("what is no key is refused") {
    const TemporaryDirectory directory;
    CHECK(read_secret_file(directory.file("none")).error().message.starts_with("opening "));
    const std::string large = directory.file("large");
    REQUIRE(write_secret_file(large, std::string(100'000, 'x')).has_value());
    CHECK(read_secret_file(large).error().code == ErrorCode::invalid);
    const std::string link = directory.file("link");
    std::filesystem::create_symlink(large, link);
    CHECK_FALSE(read_secret_file(link).has_value());
    CHECK_FALSE(write_secret_file(directory.file("no/such/place"), "x").has_value());
    CHECK_FALSE(make_secret_directory(directory.file("no/such")).has_value());
}

} // namespace hawser::server::test
