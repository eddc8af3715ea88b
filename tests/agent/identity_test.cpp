#include "agent/identity.h"

#include <doctest/doctest.h>

#include "agent/enrolment.h"
#include "agent/join.h"
#include "agent/join_record.h"
#include "ca/tokens.h"
#include "fixtures.h"
#include "host/files.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;

TEST_CASE("a key, its chain and the mesh's roots prove themselves") {
    const TestAuthority authority;
    const NodeIdentity node = authority.node("web-1");
    const tls::TrustBundle roots{.roots = authority.roots(), .intermediates = {}};
    CHECK(proven_credentials(node.id, node.pair, roots));
    CHECK(proven_credentials(node.id, node.pair, authority.trust()));
}

TEST_CASE("what does not belong together is found out") {
    const TestAuthority authority, stranger;
    const NodeIdentity node = authority.node("web-1");
    const auto try_pair = [&](const model::Identity& id, const tls::KeyPair& pair,
                              const tls::TrustBundle& trust) {
        return proven_credentials(id, pair, trust).has_value();
    };
    CHECK(try_pair(node.id, node.pair, authority.trust()));

    tls::KeyPair other_key = copy_of(node.pair);
    other_key.key_pem = value_of(tls::generate_key_pem());
    CHECK_FALSE(try_pair(node.id, other_key, authority.trust()));
    CHECK_FALSE(try_pair(node.id, node.pair, stranger.trust()));
    CHECK_FALSE(
        try_pair(authority.id(model::IdentityKind::node, "web-2"), node.pair, authority.trust()));
    CHECK_FALSE(try_pair(authority.id(model::IdentityKind::service, "web-1"), node.pair,
                         authority.trust()));
    const TestAuthority other_domain("other.local");
    model::Identity moved = node.id;
    moved.trust_domain = "other.local";
    CHECK_FALSE(try_pair(moved, node.pair, authority.trust()));

    const WallTime long_ago = io::wall_now() - 2 * one_day.count();
    const NodeIdentity expired = authority.node("web-1", one_day, long_ago);
    CHECK_FALSE(try_pair(expired.id, expired.pair, authority.trust()));
}

TEST_CASE("an identity is stored and loaded") {
    const TemporaryFolder folder;
    const StateDir state = value_of(StateDir::open(folder.path("agent")));
    CHECK_FALSE(value_of(load_identity(state)));
    const TestAuthority authority;
    const NodeIdentity node = authority.node("web-1");
    succeed(store_identity(state, node));
    const auto loaded = value_of(load_identity(state));
    REQUIRE(loaded);
    CHECK(loaded->id == node.id);
    CHECK(loaded->roots == node.roots);
    CHECK(loaded->not_after == node.not_after);

    succeed(host::remove_file(folder.path("agent/roots.pem")));
    CHECK(message_of(load_identity(state)).contains("without roots.pem"));
}

TEST_CASE("a service's certificate is no node's") {
    const TemporaryFolder folder;
    const StateDir state = value_of(StateDir::open(folder.path("agent")));
    const TestAuthority authority;
    succeed(state.write_roots(authority.roots()));
    succeed(state.write_node(authority.pair(authority.id(model::IdentityKind::service, "api"))));
    CHECK(message_of(load_identity(state)).contains("not a node's certificate"));
}

struct EnrolmentCase {
    TemporaryFolder folder;
    StateDir state = value_of(StateDir::open(folder.path("agent")));
    TestAuthority authority;
    config::AgentConfig config;

    void write_token(const std::string& node) {
        ca::JoinTokenText token;
        token.root_pin = std::string(32, 'p');
        token.id = ca::new_token_id();
        token.secret = ca::new_token_secret();
        token.node = node;
        token.expires_at = io::wall_now() + 60'000;
        token.servers = {value_of(Endpoint::parse("10.0.0.9:7443"))};
        config.join_token_file = folder.path("token");
        succeed(host::write_file(folder.path("token"), token.to_text() + "\n"));
    }
};

TEST_CASE("a host without identity and token is told what to do") {
    EnrolmentCase test;
    const auto found = find_enrolment(test.config, test.state);
    REQUIRE_FALSE(found);
    CHECK(found.error().code == ErrorCode::failed_precondition);
    CHECK(found.error().message.contains("hawser join"));
    test.config.node = "web-7";
    CHECK(message_of(find_enrolment(test.config, test.state)).contains("--node web-7"));
}

TEST_CASE("a valid identity needs no token, not even a readable one") {
    EnrolmentCase test;
    succeed(store_identity(test.state, test.authority.node("web-1")));
    test.config.join_token_file = test.folder.path("gone");
    const auto found = value_of(find_enrolment(test.config, test.state));
    CHECK(found.node == "web-1");
    CHECK(found.identity);
    CHECK(found.servers.empty());
    test.write_token("web-1"); // used up by now, but it knows the servers
    CHECK(value_of(find_enrolment(test.config, test.state)).servers.size() == 1);
    test.config.servers = {value_of(Endpoint::parse("10.0.0.1:7443"))};
    CHECK(value_of(find_enrolment(test.config, test.state)).servers == test.config.servers);
}

TEST_CASE("beside a valid identity only a token that was not used yet counts") {
    EnrolmentCase test;
    succeed(store_identity(test.state, test.authority.node("web-1")));
    test.write_token("web-1");
    CHECK_FALSE(value_of(find_enrolment(test.config, test.state)).token.empty());
    const auto text = value_of(host::read_file(test.folder.path("token"), 1 << 16));
    const Endpoint known = value_of(Endpoint::parse("10.0.0.7:7443"));
    succeed(
        write_joined(test.state, {.token_id = value_of(read_token(text)).id, .servers = {known}}));
    const auto found = value_of(find_enrolment(test.config, test.state));
    CHECK(found.token.empty());
    CHECK(found.servers == std::vector{known}); // those it joined at
    test.write_token("web-2");                  // another host's
    CHECK(value_of(find_enrolment(test.config, test.state)).token.empty());
}

TEST_CASE("an expired identity waits for a token, and gives way to another name") {
    EnrolmentCase test;
    const WallTime long_ago = io::wall_now() - 2 * one_day.count();
    succeed(store_identity(test.state, test.authority.node("web-1", one_day, long_ago)));
    auto found = value_of(find_enrolment(test.config, test.state));
    CHECK(found.identity);
    CHECK(found.node == "web-1");
    CHECK(found.token.empty());
    test.write_token("web-1");
    found = value_of(find_enrolment(test.config, test.state));
    CHECK(found.identity);
    CHECK(found.servers.size() == 1);
    CHECK_FALSE(found.token.empty());
    CHECK(fresh_token(test.config, test.state, "web-1") == found.token);
    CHECK(fresh_token(test.config, test.state, "web-2").empty());
    // The one it once joined with is of no use.
    const std::string id = value_of(read_token(found.token)).id;
    succeed(write_joined(test.state, {.token_id = id, .servers = {}}));
    CHECK(value_of(find_enrolment(test.config, test.state)).token.empty());

    test.write_token("web-2");
    found = value_of(find_enrolment(test.config, test.state));
    CHECK_FALSE(found.identity);
    CHECK(found.node == "web-2");
    test.config.join_token_file.reset();
    test.config.node = "web-2";
    CHECK(message_of(find_enrolment(test.config, test.state)).contains("expired at 20"));
}

TEST_CASE("the configuration's node is the identity's and the token's") {
    EnrolmentCase test;
    test.config.node = "web-2";
    test.write_token("web-1");
    CHECK(message_of(find_enrolment(test.config, test.state)).contains("web-2"));
    succeed(store_identity(test.state, test.authority.node("web-1")));
    CHECK(message_of(find_enrolment(test.config, test.state)).contains("web-2"));
    test.config.node = "web-1";
    CHECK(find_enrolment(test.config, test.state));
}

TEST_CASE("token files are checked at once") {
    EnrolmentCase test;
    test.config.join_token_file = test.folder.path("token");
    CHECK_FALSE(find_enrolment(test.config, test.state)); // no file
    succeed(host::write_file(test.folder.path("token"), " \n"));
    CHECK(message_of(find_enrolment(test.config, test.state)).contains("the token is empty"));
    succeed(host::write_file(test.folder.path("token"), "hwj1.nonsense"));
    const auto found = find_enrolment(test.config, test.state);
    REQUIRE_FALSE(found);
    CHECK(found.error().message.contains(test.folder.path("token")));
}

} // namespace
} // namespace hawser::agent
