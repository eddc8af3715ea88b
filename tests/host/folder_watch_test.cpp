#include "host/folder_watch.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "host/files.h"
#include "loop_runner.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;
using namespace std::chrono_literals;

namespace {

struct WatchCase {
    WatchCase() {
        char name[] = "/tmp/hawser-watch-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        root = name;
        folder = root + "/etc/services.d";
    }
    ~WatchCase() { std::filesystem::remove_all(root); }

    FolderWatch open() {
        auto watch = FolderWatch::open(loop.executor(), folder);
        REQUIRE_MESSAGE(watch.has_value(), watch.error().message);
        return std::move(*watch);
    }
    void make_folder() { std::filesystem::create_directories(folder); }
    void write(const std::string& name) {
        REQUIRE(write_file(folder + "/" + name, "x").has_value());
    }

    LoopRunner loop;
    std::string root, folder;
};

io::Task<void> note(FolderWatch& watch, bool& changed) {
    changed = (co_await watch.changed(1ms)).has_value();
}

} // namespace

TEST_CASE("files that are written, renamed and removed are noticed, each time") {
    WatchCase test;
    test.make_folder();
    FolderWatch watch = test.open();
    const auto changed = [&] { return test.loop.run(watch.changed(1ms)).has_value(); };
    test.write("a.toml"); // before it is waited for
    CHECK(changed());
    std::filesystem::rename(test.folder + "/a.toml", test.folder + "/b.toml");
    CHECK(changed());
    std::filesystem::remove(test.folder + "/b.toml");
    CHECK(changed());
    std::filesystem::create_symlink("/nonexistent", test.folder + "/c.toml");
    CHECK(changed());
}

TEST_CASE("a folder that appears, goes and comes back is noticed; its neighbours are not") {
    WatchCase test;
    FolderWatch watch = test.open(); // neither it nor the folder above it exists
    bool changed = false;
    asio::co_spawn(test.loop.executor(), note(watch, changed), [](const std::exception_ptr&) {});
    REQUIRE(write_file(test.root + "/neighbour", "x").has_value());
    std::filesystem::create_directories(test.root + "/etc");
    REQUIRE(write_file(test.root + "/etc/neighbour", "x").has_value());
    CHECK_FALSE(test.loop.until([&] { return changed; }, 50ms));
    test.make_folder();
    CHECK(test.loop.until([&] { return changed; }));
    test.write("a.toml");
    CHECK(test.loop.run(watch.changed(1ms)).has_value());
    std::filesystem::remove_all(test.root + "/etc");
    CHECK(test.loop.run(watch.changed(1ms)).has_value());
    test.make_folder();
    CHECK(test.loop.run(watch.changed(1ms)).has_value());
}

TEST_CASE("a path that can't be a folder is watched until it is one") {
    WatchCase test;
    std::filesystem::create_directories(test.root + "/etc");
    REQUIRE(write_file(test.folder, "a file").has_value());
    FolderWatch watch = test.open();
    std::filesystem::remove(test.folder);
    test.make_folder();
    CHECK(test.loop.run(watch.changed(1ms)).has_value());
}
