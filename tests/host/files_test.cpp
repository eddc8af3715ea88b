#include "host/files.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

using namespace hawser;
using namespace hawser::host;

namespace {

class Folder {
  public:
    Folder() {
        std::string name = "/tmp/hawser-files-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }
    [[nodiscard]] std::size_t entries() const {
        const std::filesystem::directory_iterator all(path_);
        return static_cast<std::size_t>(std::distance(begin(all), end(all)));
    }

  private:
    std::string path_;
};

mode_t mode_of(const std::string& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

} // namespace

TEST_CASE(
    "a file is written whole, with its mode, over an old one, and nothing is left beside it") {
    const Folder folder;
    const std::string path = folder / "state";
    const mode_t mask = ::umask(0);
    REQUIRE(write_file(path, "old").has_value());
    CHECK(mode_of(path) == 0600);
    ::umask(077);
    REQUIRE(write_file(path, "new content", 0644).has_value());
    ::umask(mask);
    CHECK(mode_of(path) == 0644);
    CHECK(read_file(path, 100) == "new content");
    CHECK(folder.entries() == 1);
}

TEST_CASE("a write that fails says where and leaves the old file") {
    const Folder folder;
    const std::string path = folder / "state";
    REQUIRE(::mkdir(path.c_str(), 0700) == 0);
    const auto over_folder = write_file(path, "x");
    REQUIRE_FALSE(over_folder.has_value());
    CHECK(over_folder.error().message.starts_with(path));
    CHECK(folder.entries() == 1);
    CHECK_FALSE(write_file(folder / "no/such/folder", "x").has_value());
}

TEST_CASE("a read has a limit, and reads regular files only") {
    const Folder folder;
    REQUIRE(write_file(folder / "file", std::string(100'000, 'x')).has_value());
    CHECK(read_file(folder / "file", 100'000)->size() == 100'000);
    const auto longer = read_file(folder / "file", 99'999);
    REQUIRE_FALSE(longer.has_value());
    CHECK(longer.error().code == ErrorCode::resource_exhausted);
    CHECK(read_file("/proc/self/status", 1 << 20).has_value());
    const std::string fifo = folder / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK_FALSE(read_file(fifo, 10).has_value());
    CHECK_FALSE(read_file("/tmp", 10).has_value());
    CHECK(read_file(folder / "none", 10).error().code == ErrorCode::not_found);
    REQUIRE(remove_file(folder / "file").has_value());
    REQUIRE(remove_file(folder / "file").has_value());
    CHECK_FALSE(read_file(folder / "file", 10).has_value());
}

TEST_CASE("a private folder is made with its parents, and an open one is closed") {
    const Folder folder;
    const std::string path = folder / "lib/hawser/agent";
    REQUIRE(ensure_directory(path).has_value());
    CHECK(mode_of(path) == 0700);
    CHECK(mode_of(folder / "lib/hawser") == 0755);
    REQUIRE(::chmod(path.c_str(), 0777) == 0);
    REQUIRE(ensure_directory(path).has_value());
    CHECK(mode_of(path) == 0700);
    REQUIRE(write_file(folder / "file", "").has_value());
    CHECK_FALSE(ensure_directory(folder / "file").has_value());
    CHECK_FALSE(ensure_directory("").has_value());
}

TEST_CASE("a folder that belongs to somebody else is refused") {
    if (::geteuid() != 0) {
        MESSAGE("skipped: giving a folder away needs root");
        return;
    }
    const Folder folder;
    REQUIRE(ensure_directory(folder / "theirs").has_value());
    REQUIRE(::chown((folder / "theirs").c_str(), 4711, 4711) == 0);
    const auto refused = ensure_directory(folder / "theirs");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::permission_denied);
}

TEST_CASE("the machine says what it is") {
    const MachineFacts facts = machine_facts();
    CHECK_FALSE(facts.hostname.empty());
    CHECK_FALSE(facts.hostname.contains('.'));
    CHECK_FALSE(facts.kernel.empty());
    CHECK(facts.processors >= 1);
    CHECK(facts.memory_bytes > 1 << 20);
}
