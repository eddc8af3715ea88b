#include "agent/state_dir.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixtures.h"
#include "host/files.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;

mode_t mode_of(const std::string& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

TEST_CASE("keys and certificates are kept together, for this user only") {
    const TemporaryFolder folder;
    const std::string path = folder.path("agent");
    const StateDir state = value_of(StateDir::open(path));
    CHECK(mode_of(path) == 0700);
    CHECK_FALSE(value_of(state.read_node()));
    CHECK_FALSE(value_of(state.read_service("api")));
    CHECK(value_of(state.read_roots()).empty());

    const TestAuthority authority;
    const tls::KeyPair pair = authority.pair(authority.id(model::IdentityKind::service, "api"));
    succeed(state.write_node(pair));
    succeed(state.write_service("api", pair));
    succeed(state.write_roots(authority.roots()));
    for (const auto& read : {value_of(state.read_node()), value_of(state.read_service("api"))}) {
        REQUIRE(read);
        CHECK(read->chain_pem == pair.chain_pem);
        CHECK(std::string_view(read->key_pem) == std::string_view(pair.key_pem));
    }
    CHECK(value_of(state.read_roots()) == authority.roots());
    for (const char* file : {"/node.pem", "/roots.pem", "/services/api.pem", "/lock"})
        CHECK(mode_of(path + file) == 0600);
}

TEST_CASE("a second process on the folder is refused, and told who has it") {
    const TemporaryFolder folder;
    auto first = std::make_unique<StateDir>(value_of(StateDir::open(folder.path("agent"))));
    const auto second = StateDir::open(folder.path("agent"));
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::already_exists);
    CHECK(second.error().message.contains(folder.path("agent")));
    CHECK(second.error().message.contains("process " + std::to_string(::getpid())));
    // Looking is always possible.
    CHECK_FALSE(value_of(StateDir::peek(folder.path("agent")).read_node()));
    first.reset();
    CHECK(StateDir::open(folder.path("agent")));
}

TEST_CASE("damaged files are named") {
    const TemporaryFolder folder;
    const StateDir state = value_of(StateDir::open(folder.path("agent")));
    succeed(host::write_file(folder.path("agent/node.pem"), "nonsense"));
    const auto read = state.read_node();
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::corrupt);
    CHECK(read.error().message.contains("node.pem"));
    succeed(host::write_file(folder.path("agent/roots.pem"),
                             "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"));
    CHECK(message_of(state.read_roots()).contains("roots.pem"));
}

TEST_CASE("a host that becomes somebody else forgets its services and its mesh") {
    const TemporaryFolder folder;
    const StateDir state = value_of(StateDir::open(folder.path("agent")));
    const TestAuthority authority;
    succeed(state.write_service("api",
                                authority.pair(authority.id(model::IdentityKind::service, "api"))));
    succeed(host::write_file(state.cache_file(), "cache"));
    succeed(state.write_node(authority.pair(authority.id(model::IdentityKind::node, "web-1"))));
    succeed(state.forget_mesh());
    CHECK_FALSE(value_of(state.read_node()));
    CHECK_FALSE(value_of(state.read_service("api")));
    CHECK_FALSE(std::filesystem::exists(state.cache_file()));
    succeed(state.forget_mesh());
}

} // namespace
} // namespace hawser::agent
