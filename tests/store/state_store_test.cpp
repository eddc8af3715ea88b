// The registry's rows on disk.
#include "store/state_store.h"

#include "store/faulty_disk.h"
#include "store/temporary_directory.h"

namespace hawser::store::test {

namespace {

model::Change service(const std::string& name, std::uint64_t index, std::uint32_t connections = 5) {
    model::Service value;
    value.name = name;
    value.max_connections = connections;
    value.vip4 = *IpAddress::parse("240.0.0.1");
    return {.kind = model::Kind::service,
            .key = name,
            .index = index,
            .value = std::make_shared<const model::Resource>(value)};
}

model::Change instance(const std::string& node, std::uint64_t index) {
    model::Instance value;
    value.node = node;
    value.service = "api";
    value.port = 80;
    value.labels = {{"b", "2"}, {"a", "1"}};
    return {.kind = model::Kind::instance,
            .key = value.key(),
            .index = index,
            .value = std::make_shared<const model::Resource>(value)};
}

model::Change deleted(model::Change change, std::uint64_t index) {
    change.value = nullptr;
    change.index = index;
    return change;
}

StateStore open(const std::string& path) {
    Result<StateStore> store = StateStore::open(path);
    if (!store) FAIL(store.error().message);
    return std::move(*store);
}

State load(StateStore& store) {
    Result<State> state = store.load();
    if (!state) FAIL(state.error().message);
    return std::move(*state);
}

void must(const Result<void>& result) {
    if (!result) FAIL(result.error().message);
}

std::vector<std::string> keys(const State& state) {
    std::vector<std::string> keys;
    for (const model::Change& row : state.rows) {
        keys.push_back(row.key + "@" + std::to_string(row.index));
    }
    return keys;
}

void tamper(const std::string& path, const std::string& sql) {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
}

} // namespace

TEST_CASE("a new store is empty") {
    const TemporaryDirectory directory;
    StateStore store = open(directory.file("state.db"));
    const State state = load(store);
    CHECK(state.applied == 0);
    CHECK(state.meta.empty());
    CHECK(state.rows.empty());
    CHECK(mode_of(directory.file("state.db")) == 0600);
}

TEST_CASE("rows, index and head come back as they were written") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("state.db");
    const std::string meta("\1\0\2", 3);
    {
        StateStore store = open(path);
        must(
            store.write({.applied = 4, .meta = "old", .rows = {service("a", 3), service("b", 4)}}));
        must(store.write({.applied = 9,
                          .meta = meta,
                          .rows = {service("a", 7, 6), deleted(service("b", 0), 8),
                                   instance("n", 9), deleted(service("never", 0), 9)}}));
    }
    StateStore store = open(path);
    const State state = load(store);
    CHECK(state.applied == 9);
    CHECK(state.meta == meta);
    CHECK(keys(state) == std::vector<std::string>{"a@7", "n/api/80@9"});
    CHECK(*state.rows[0].value == *service("a", 7, 6).value);
    CHECK(*state.rows[1].value == *instance("n", 9).value);
}

TEST_CASE("writing the same again changes nothing: replay is harmless") {
    const TemporaryDirectory directory;
    StateStore store = open(directory.file("state.db"));
    const State state{.applied = 4, .meta = "m", .rows = {service("a", 3), instance("n", 4)}};
    must(store.write(state));
    must(store.write(state));
    CHECK(keys(load(store)) == std::vector<std::string>{"a@3", "n/api/80@4"});
}

TEST_CASE("only sync costs an fsync") {
    const TemporaryDirectory directory;
    FaultyDisk disk;
    StateStore store = open(directory.file("state.db"));
    must(store.write({.applied = 1, .meta = "", .rows = {service("a", 1)}}));
    disk.syncs = 0;
    must(store.write({.applied = 2, .meta = "", .rows = {service("b", 2)}}));
    CHECK(disk.syncs == 0);
    must(store.sync());
    CHECK(disk.syncs >= 1);
}

TEST_CASE("a full disk leaves the state as it was") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("state.db");
    {
        FaultyDisk disk;
        StateStore store = open(path);
        must(store.write({.applied = 1, .meta = "m", .rows = {service("a", 1)}}));
        const State more{
            .applied = 2, .meta = "n", .rows = {deleted(service("a", 0), 2), service("b", 2)}};
        disk.writes_until_full = 2;
        CHECK(store.write(more).error().code == ErrorCode::resource_exhausted);
        CHECK(load(store).applied == 1);
        CHECK(keys(load(store)) == std::vector<std::string>{"a@1"});
        disk.writes_until_full = -1;
        must(store.write(more));
        CHECK(keys(load(store)) == std::vector<std::string>{"b@2"});
    }
    StateStore store = open(path);
    CHECK(load(store).applied == 2);
}

namespace {

const raft::Base base{.position = {.index = 9, .term = 3},
                      .configuration = {.voters = {1, 2}, .learners = {3}}};

State old_state() {
    return {.applied = 3, .meta = "old", .rows = {service("a", 1), service("b", 2)}};
}
State new_state() {
    State state{.applied = 9, .meta = "new", .rows = {}, .installed = base};
    for (std::uint64_t i = 1; i <= 400; ++i)
        state.rows.push_back(service("s" + std::to_string(i), i));
    return state;
}

} // namespace

TEST_CASE("a whole state takes another's place, and says so until it is replaced again") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("state.db");
    {
        StateStore store = open(path);
        must(store.write(old_state()));
        CHECK_FALSE(load(store).installed.has_value());
        FaultyDisk disk;
        must(store.replace(new_state()));
        CHECK(load(store).rows.size() == 400);
    }
    {
        StateStore store = open(path);
        CHECK(load(store).applied == 9);
        CHECK(load(store).meta == "new");
        CHECK(load(store).installed == base);
        must(store.write({.applied = 10, .meta = "newer", .rows = {service("b", 10)}}));
    }
    StateStore store = open(path);
    CHECK(load(store).rows.size() == 401);
    CHECK(load(store).installed == base);
    must(store.replace({.applied = 1, .meta = "", .rows = {}}));
    CHECK(load(store).rows.empty());
    CHECK_FALSE(load(store).installed.has_value());
}

TEST_CASE("a replacement is on the disk when it returns, later writes wait for sync again") {
    const TemporaryDirectory directory;
    FaultyDisk disk;
    StateStore store = open(directory.file("state.db"));
    must(store.write(old_state()));
    disk.syncs = 0;
    must(store.replace(new_state()));
    CHECK(disk.syncs >= 1);
    disk.syncs = 0;
    must(store.write({.applied = 10, .meta = "", .rows = {service("b", 10)}}));
    CHECK(disk.syncs == 0);
}

// The disk ends after each number of writes in turn, as in a crash; what is found then is all of
// the one state or all of the other.
TEST_CASE("a replacement that is cut off leaves what was there") {
    bool finished = false;
    int failures = 0;
    for (int writes = 1; !finished; ++writes) {
        CAPTURE(writes);
        const TemporaryDirectory directory;
        const std::string path = directory.file("state.db");
        {
            FaultyDisk disk;
            StateStore store = open(path);
            must(store.write(old_state()));
            disk.writes_until_full = writes;
            finished = store.replace(new_state()).has_value();
            if (!finished) {
                ++failures;
                CHECK(keys(load(store)) == keys(old_state()));
            }
        }
        StateStore store = open(path);
        const State state = load(store);
        CHECK(state.meta == (finished ? "new" : "old"));
        CHECK(state.rows.size() == (finished ? 400 : 2));
        CHECK(state.installed.has_value() == finished);
    }
    CHECK(failures > 10);
    const TemporaryDirectory directory;
    FaultyDisk disk;
    StateStore store = open(directory.file("state.db"));
    must(store.write(old_state()));
    disk.syncs_until_error = 1;
    CHECK(store.replace(new_state()).error().code == ErrorCode::internal);
}

TEST_CASE("damage is named and nothing is served") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("state.db");
    {
        StateStore store = open(path);
        must(store.write({.applied = 3,
                          .meta = "m",
                          .rows = {service("a", 1), service("b", 2), instance("n", 3)}}));
    }
    std::string named = "the row service 'b' fails its checksum";
    SUBCASE("a value") {
        tamper(path, "UPDATE rows SET value = x'0a0162' WHERE name = x'62'");
    }
    SUBCASE("an index") {
        tamper(path, "UPDATE rows SET position = 1 WHERE name = x'62'");
    }
    SUBCASE("a name") {
        tamper(path, "UPDATE rows SET name = x'63' WHERE name = x'62'");
        named = "the row service 'c' fails its checksum";
    }
    SUBCASE("a kind") {
        tamper(path, "UPDATE rows SET kind = 5 WHERE name = x'62'");
        named = "the row policy 'b' fails its checksum";
    }
    SUBCASE("a row is lost") {
        tamper(path, "DELETE FROM rows WHERE name = x'62'");
        named = "2 rows are there, 3 were stored";
    }
    SUBCASE("the index") {
        tamper(path, "UPDATE head SET fields = x'00'");
        named = "the stored applied index fails its checksum";
    }
    SUBCASE("the index is lost") {
        tamper(path, "DELETE FROM head");
        named = "3 rows are there, 0 were stored";
    }
    Result<StateStore> store = StateStore::open(path);
    const Error error = store ? store->load().error() : store.error();
    CHECK(error.code == ErrorCode::corrupt);
    CHECK(error.message.find(named) != std::string::npos);
}

} // namespace hawser::store::test
