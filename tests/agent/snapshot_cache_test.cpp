#include "agent/snapshot_cache.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "fixtures.h"
#include "host/files.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;

v1::MeshChanges state(std::uint64_t index) {
    v1::MeshChanges state = batch(index, {row(service("api"))}, true);
    state.add_servers("10.0.0.1:7443");
    return state;
}

TEST_CASE("what was saved last is loaded") {
    const TemporaryFolder folder;
    const std::string file = folder.path("snapshot.cache");
    {
        SnapshotCache cache(file);
        for (std::uint64_t index = 1; index <= 100; ++index) cache.save(state(index));
        cache.flush();
        cache.save(state(200)); // after the end: nothing
    }
    const auto loaded = value_of(SnapshotCache::load(file));
    REQUIRE(loaded);
    CHECK(loaded->SerializeAsString() == state(100).SerializeAsString());
    struct stat info{};
    REQUIRE(::stat(file.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("no file is no failure") {
    const TemporaryFolder folder;
    CHECK_FALSE(value_of(SnapshotCache::load(folder.path("none"))));
}

TEST_CASE("a cache that can't write loses nothing but the cache") {
    const TemporaryFolder folder;
    SnapshotCache cache(folder.path("no/such/folder/snapshot.cache"));
    cache.save(state(1));
    cache.flush();
}

TEST_CASE("every damage is noticed") {
    const std::string content = encode_cache(state(7));
    REQUIRE(decode_cache(content));
    for (std::size_t length = 0; length < content.size(); ++length)
        CHECK_FALSE(decode_cache(std::string_view(content).substr(0, length)));
    for (std::size_t position = 0; position < content.size(); ++position) {
        std::string damaged = content;
        damaged[position] = static_cast<char>(damaged[position] ^ 0x04);
        CHECK_FALSE(decode_cache(damaged));
    }
    CHECK_FALSE(decode_cache(content + "x"));

    const TemporaryFolder folder;
    succeed(host::write_file(folder.path("cache"), content.substr(0, 40)));
    const auto loaded = SnapshotCache::load(folder.path("cache"));
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::corrupt);
}

} // namespace
} // namespace hawser::agent
