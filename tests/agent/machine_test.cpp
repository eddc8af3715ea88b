// A folder that comes to another machine.
#include "agent/machine.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "agent/enrolment.h"
#include "agent/join_record.h"
#include "fixtures.h"
#include "host/files.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;

const std::string first_id = "0123456789abcdef0123456789abcdef\n";
const std::string other_id = "fedcba9876543210fedcba9876543210\n";

struct MachineCase {
    TemporaryFolder folder;
    std::string id_file = folder.path("machine-id");
    StateDir state = value_of(StateDir::open(folder.path("agent")));
    TestAuthority authority;

    MachineCase() { be(first_id); }
    void be(const std::string& id) { succeed(host::write_file(id_file, id, 0444)); }
    [[nodiscard]] bool settle() { return value_of(settle_machine(state, id_file)); }
    void join() {
        succeed(store_identity(state, authority.node("web-1")));
        succeed(state.write_service(
            "api", authority.pair(authority.id(model::IdentityKind::service, "api"))));
        succeed(write_joined(state, {.token_id = "t", .servers = {}}));
        (void)value_of(join_key(state, "another"));
        succeed(host::write_file(state.cache_file(), "cache"));
    }
    [[nodiscard]] std::size_t files() const {
        using Files = std::filesystem::recursive_directory_iterator;
        std::size_t count = 0;
        for (const auto& entry : Files(state.path())) count += std::size_t{entry.is_regular_file()};
        return count;
    }
};

TEST_CASE("a folder stays its machine's: over restarts, and put back from a backup") {
    MachineCase test;
    CHECK_FALSE(test.settle()); // the first start
    test.join();
    CHECK_FALSE(test.settle());
    CHECK(value_of(load_identity(test.state)));
    // What is noted is not the id itself.
    const auto mark = value_of(test.state.read_machine());
    REQUIRE(mark);
    CHECK_FALSE(mark->contains(first_id.substr(0, 8)));
    CHECK(mark->size() == 65);
}

TEST_CASE("on another machine everything that makes it somebody goes") {
    MachineCase test;
    CHECK_FALSE(test.settle());
    test.join();
    const std::size_t before = test.files();
    test.be(other_id);
    CHECK(is_of_another_machine(test.state, test.id_file));
    CHECK(test.settle());
    CHECK_FALSE(value_of(load_identity(test.state)));
    CHECK(test.files() == 2); // lock and mark
    CHECK(before == 8);
    CHECK_FALSE(test.settle()); // it is this machine's now
    CHECK_FALSE(is_of_another_machine(test.state, test.id_file));
}

TEST_CASE("a folder of before the mark belongs to the machine it is on") {
    MachineCase test;
    test.join();
    CHECK_FALSE(test.settle());
    CHECK(value_of(load_identity(test.state)));
    test.be(other_id);
    CHECK(test.settle());
}

TEST_CASE("where there is no id nothing is told, and nothing lost") {
    MachineCase test;
    CHECK_FALSE(test.settle());
    test.join();
    succeed(host::remove_file(test.id_file));
    CHECK_FALSE(test.settle());
    test.be("uninitialized\n");
    CHECK_FALSE(test.settle());
    CHECK(value_of(load_identity(test.state)));
    test.be(first_id);
    CHECK_FALSE(test.settle());
    CHECK(value_of(load_identity(test.state)));
}

TEST_CASE("who joined in an image without id is not whoever boots it") {
    MachineCase test;
    test.be("");
    CHECK_FALSE(test.settle());
    test.join();
    CHECK_FALSE(test.settle()); // a container that never has one goes on
    CHECK(value_of(load_identity(test.state)));
    test.be(first_id);
    CHECK(test.settle());
    CHECK_FALSE(value_of(load_identity(test.state)));
}

TEST_CASE("an agent on a clone is nobody until it joins") {
    MachineCase test;
    config::AgentConfig config;
    config.machine_id_file = test.id_file;
    CHECK_FALSE(test.settle());
    test.join();
    CHECK(value_of(find_enrolment(config, test.state)).identity);
    test.be(other_id);
    const auto found = find_enrolment(config, test.state);
    REQUIRE_FALSE(found);
    CHECK(found.error().message.contains("has not joined"));
    CHECK(found.error().message.contains("hawser join"));
}

} // namespace
} // namespace hawser::agent
