// Enrolment against a real server.
#include "agent/join.h"

#include <doctest/doctest.h>

#include <array>
#include <optional>

#include "agent/join_record.h"
#include "host/files.h"
#include "mesh.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;
using namespace std::chrono_literals;

struct JoinCase {
    Mesh mesh;

    JoinOptions options(const std::string& token, const std::string& node = "web-1") {
        return {.token = token, .servers = {}, .data_dir = mesh.folder.path(node), .node = ""};
    }
    Result<JoinResult> join(JoinOptions options) {
        return mesh.loop.run(agent::join(std::move(options)));
    }
};

io::Task<void> join_into(JoinOptions options, std::optional<Result<JoinResult>>& result) {
    result = co_await agent::join(std::move(options));
}

TEST_CASE("a token enrols a host once; again on the same host is fine without using it") {
    JoinCase test;
    const std::string token = test.mesh.make_token("web-1", {"web", "api"});
    const JoinResult first = value_of(test.join(test.options("  " + token + "\n")));
    CHECK(first.node.to_uri() == "spiffe://test.local/node/web-1");
    CHECK_FALSE(first.already);
    CHECK(first.services == std::vector<std::string>{"web", "api"});
    CHECK(first.server == test.mesh.server_endpoint().to_string());
    CHECK(first.expires_at > io::wall_now());

    const JoinResult again = value_of(test.join(test.options(token)));
    CHECK(again.already);
    CHECK(again.confirmed);
    CHECK(again.node == first.node);
    // Even while the agent runs and holds the folder, and with no server.
    const StateDir held = value_of(StateDir::open(test.mesh.folder.path("web-1")));
    test.mesh.stop_server();
    const JoinResult alone = value_of(test.join(test.options(token)));
    CHECK(alone.already);
    CHECK_FALSE(alone.confirmed);
}

TEST_CASE("of two joins at once on a host one uses its token, and the other says why not") {
    JoinCase test;
    const auto both_at_once = [&](const std::string& one, const std::string& other) {
        std::array<std::optional<Result<JoinResult>>, 2> results;
        io::TaskGroup tasks(test.mesh.loop.executor());
        tasks.spawn(join_into(test.options(one), results[0]));
        tasks.spawn(join_into(test.options(other), results[1]));
        REQUIRE(test.mesh.loop.until([&] { return tasks.size() == 0; }));
        CHECK(value_of(*results[0]).services == std::vector<std::string>{"web"});
        CHECK(message_of(*results[1]).contains("another hawser process uses"));
    };
    const std::string first = test.mesh.make_token("web-1", {"web"});
    const std::string second = test.mesh.make_token("web-1", {"api"});
    both_at_once(first, second);
    // Neither by a host that is in the mesh already.
    both_at_once(test.mesh.make_token("web-1", {"web"}), second);
    CHECK(value_of(test.join(test.options(second))).services == std::vector<std::string>{"api"});
}

TEST_CASE("a new token is used by a host that joined before, also while its agent runs") {
    JoinCase test;
    const std::string first = test.mesh.make_token("web-1", {"web"});
    CHECK(test.join(test.options(first)));
    const std::string second = test.mesh.make_token("web-1", {"web", "api"});
    const StateDir held = value_of(StateDir::open(test.mesh.folder.path("web-1")));
    held.heed_reload();
    succeed(host::write_file(held.cache_file(), "what it knew"));
    const JoinResult again = value_of(test.join(test.options(second)));
    CHECK_FALSE(again.already);
    CHECK_FALSE(again.agent_told); // the holder is this very process
    CHECK(again.services == std::vector<std::string>{"web", "api"});
    CHECK(std::filesystem::exists(held.cache_file())); // it is who it was
    CHECK(value_of(test.join(test.options(second))).already);
    // The server's word counts where nothing is noted.
    succeed(host::remove_file(held.path() + "/joined"));
    CHECK(value_of(test.join(test.options(first))).already);
    test.mesh.stop_server();
    CHECK(value_of(test.join(test.options(first))).already); // noted by now
    CHECK_FALSE(test.join(test.options(second)));
}

TEST_CASE("a host that the mesh forgot comes back with a new token, not with the old one") {
    JoinCase test;
    const std::string old = test.mesh.make_token("web-1", {"web"});
    CHECK(test.join(test.options(old)));
    v1::DeleteRequest forget;
    forget.set_kind("node");
    forget.set_name("web-1");
    (void)test.mesh.call<v1::DeleteResponse>("Delete", std::move(forget));
    CHECK(message_of(test.join(test.options(old))).contains("make a new token"));
    succeed(host::remove_file(test.mesh.folder.path("web-1/joined"))); // asks with the token itself
    CHECK(message_of(test.join(test.options(old))).contains("make a new token"));
    const std::string token = test.mesh.make_token("web-1", {"web"});
    CHECK_FALSE(value_of(test.join(test.options(token))).already);
}

TEST_CASE("a join whose answer did not come is repeated with the same key") {
    JoinCase test;
    const std::string token = test.mesh.make_token("web-1", {"web"});
    test.mesh.stop_server();
    CHECK_FALSE(test.join(test.options(token)));
    const StateDir state = StateDir::peek(test.mesh.folder.path("web-1"));
    const std::string id = value_of(ca::JoinTokenText::parse(token)).id;
    CHECK(awaits_answer(state, id));
    CHECK_FALSE(awaits_answer(state, "another"));
    const std::string key = value_of(join_key(state, id)).text();
    test.mesh.start_server();
    CHECK(test.join(test.options(token)));
    CHECK(std::string_view(value_of(load_identity(state))->pair.key_pem) == key);
    CHECK_FALSE(awaits_answer(state, id));
    CHECK(read_joined(state).token_id == id);
    CHECK(read_joined(state).servers == std::vector{test.mesh.server_endpoint()});

    // What is damaged is replaced.
    succeed(host::write_file(state.path() + "/join.key", id + "\nnonsense"));
    CHECK_FALSE(awaits_answer(state, id));
    CHECK(value_of(join_key(state, id)).text() != key);
}

TEST_CASE("a running agent uses what joining once more brought") {
    JoinCase test;
    config::AgentConfig config = test.mesh.agent_config("web-1", {"web"});
    config.services = {caller("web", "api"), offered("api", 1)};
    auto agent = test.mesh.start(config);
    agent->agent().heed_reload(); // as the program does
    const auto certificates = [&] {
        int valid = 0;
        for (const v1::CertificateState& each : agent->status().certificates())
            valid += int{each.not_after_ms() > io::wall_now()};
        return valid;
    };
    CHECK(test.mesh.loop.until([&] { return agent->status().certificates_size() == 3; }));
    CHECK(test.mesh.loop.until([&] { return certificates() == 2; })); // not for api
    CHECK_FALSE(
        value_of(test.join(test.options(test.mesh.make_token("web-1", {"web", "api"})))).already);
    agent->agent().reload();
    CHECK(test.mesh.loop.until([&] { return certificates() == 3; }));
    CHECK(test.mesh.loop.until([&] { return agent->status().warnings().empty(); }));

    // A new token where the agent looks for one is used at its next start.
    agent->stop();
    agent.reset();
    config.services.push_back(offered("db", 2));
    succeed(host::write_file(*config.join_token_file,
                             test.mesh.make_token("web-1", {"web", "api", "db"})));
    agent = test.mesh.start(config);
    CHECK(test.mesh.loop.until([&] { return certificates() == 4; }));
    agent->stop();
}

TEST_CASE("a used token is refused elsewhere") {
    JoinCase test;
    const std::string token = test.mesh.make_token("web-1", {"web"});
    CHECK(test.join(test.options(token)));
    const auto stolen = test.join(test.options(token, "thief"));
    REQUIRE_FALSE(stolen);
    CHECK(stolen.error().message.contains("used"));
    CHECK_FALSE(std::filesystem::exists(test.mesh.folder.path("thief/node.pem")));
}

TEST_CASE("a wrong secret, a wrong pin and an expired token are refused, each with its reason") {
    JoinCase test;
    const std::string token = test.mesh.make_token("web-1", {"web"});
    ca::JoinTokenText text = value_of(ca::JoinTokenText::parse(token));

    ca::JoinTokenText wrong = text;
    wrong.secret = ca::new_token_secret();
    auto joined = test.join(test.options(wrong.to_text()));
    CHECK(message_of(joined).contains("not known"));

    wrong = text;
    wrong.root_pin = std::string(32, 'x');
    joined = test.join(test.options(wrong.to_text()));
    REQUIRE_FALSE(joined);
    CHECK(joined.error().message.contains("pin"));
    CHECK(joined.error().message.contains(test.mesh.server_endpoint().to_string()));
    CHECK(joined.error().code != ErrorCode::unavailable); // trying again would not help

    wrong = text;
    wrong.expires_at = io::wall_now() - 1;
    joined = test.join(test.options(wrong.to_text()));
    CHECK(message_of(joined).contains("expired at"));

    wrong = text;
    wrong.server = "s2";
    CHECK(message_of(test.join(test.options(wrong.to_text()))).contains("hawser server join"));

    joined = test.join(test.options("hwj1.nonsense"));
    REQUIRE_FALSE(joined);
    CHECK(joined.error().code == ErrorCode::invalid);
    // None of this used the token up.
    CHECK(test.join(test.options(token)));
}

TEST_CASE("the token is for one node") {
    JoinCase test;
    const std::string token = test.mesh.make_token("web-1", {"web"});
    JoinOptions options = test.options(token);
    options.node = "web-2";
    CHECK(message_of(test.join(options)).contains("web-2"));
    CHECK(test.join(test.options(token)));
    // A host that is somebody stays it until its state is removed.
    const std::string other = test.mesh.make_token("web-3", {"web"});
    const auto joined = test.join(test.options(other));
    REQUIRE_FALSE(joined);
    CHECK(joined.error().code == ErrorCode::failed_precondition);
    CHECK(joined.error().message.contains("already is spiffe://test.local/node/web-1"));
}

TEST_CASE("servers are tried in turn, and each one's reason is told") {
    JoinCase test;
    const std::string token = test.mesh.make_token("web-1", {"web"});
    JoinOptions options = test.options(token);
    Endpoint nobody;
    {
        auto acceptor = value_of(io::listen_tcp(test.mesh.loop.executor(), loopback));
        nobody = value_of(io::local_endpoint(acceptor.native_handle()));
    }
    options.servers = {nobody};
    auto joined = test.join(options);
    REQUIRE_FALSE(joined);
    CHECK(joined.error().code == ErrorCode::unavailable);
    CHECK(joined.error().message.contains(nobody.to_string()));
    CHECK(joined.error().message.contains("refused"));
    options.servers = {nobody, test.mesh.server_endpoint()};
    joined = test.join(options);
    CHECK(value_of(std::move(joined)).server == test.mesh.server_endpoint().to_string());
}

TEST_CASE("an expired identity is replaced") {
    JoinCase test;
    const TestAuthority authority;
    {
        const StateDir state = value_of(StateDir::open(test.mesh.folder.path("web-1")));
        const WallTime long_ago = io::wall_now() - 2 * one_day.count();
        succeed(store_identity(state, authority.node("web-1", one_day, long_ago)));
    }
    const auto joined = value_of(test.join(test.options(test.mesh.make_token("web-1", {"web"}))));
    CHECK_FALSE(joined.already);
}

TEST_CASE("an agent whose certificate expired waits for a new token and is itself again") {
    JoinCase test;
    config::AgentConfig config = test.mesh.agent_config("web-1", {"web", "api"});
    config.services = {caller("web", "api"), offered("api", 1)};
    CHECK(test.join({.token = value_of(host::read_file(*config.join_token_file, 1 << 16)),
                     .servers = {},
                     .data_dir = config.data_dir,
                     .node = ""}));
    const TestAuthority authority; // whose certificates are as good as expired ones
    {
        const StateDir state = value_of(StateDir::open(config.data_dir));
        const WallTime long_ago = io::wall_now() - 2 * one_day.count();
        succeed(state.write_node(authority.node("web-1", one_day, long_ago).pair));
    }
    RunningAgent agent(test.mesh.loop, value_of(Agent::open(config, test.mesh.loop.loop(), {})));
    agent.agent().heed_reload();
    const auto warned = [&](std::string_view text) {
        for (const std::string& warning : agent.status().warnings())
            if (warning.contains(text)) return true;
        return false;
    };
    REQUIRE(test.mesh.loop.until([&] { return warned("hawser token create --node web-1"); }));
    CHECK_FALSE(agent.ended());
    CHECK(agent.status().certificates(0).identity() == "spiffe://test.local/node/web-1");

    // `hawser join` beside it; or a token where it looks for one.
    const std::string token = test.mesh.make_token("web-1", {"web", "api"});
    SUBCASE("by hawser join") {
        CHECK_FALSE(value_of(test.join(test.options(token))).already);
        agent.agent().reload();
    }
    SUBCASE("by the token file") {
        succeed(host::write_file(*config.join_token_file, token));
    }
    CHECK(test.mesh.loop.until([&] { return agent.status().warnings().empty(); }, 30s));
    CHECK(agent.status().server() == test.mesh.server_endpoint().to_string());
    agent.stop();
    CHECK(agent.end());
}

TEST_CASE("a clone of a host's disk joins as somebody of its own, or not at all") {
    JoinCase test;
    const std::string id_file = test.mesh.folder.path("machine-id");
    succeed(host::write_file(id_file, std::string(32, 'a')));
    JoinOptions options = test.options(test.mesh.make_token("web-1", {"web"}));
    options.machine_id_file = id_file;
    CHECK(test.join(options));
    CHECK(value_of(test.join(options)).already);
    succeed(host::write_file(id_file, std::string(32, 'b')));
    CHECK(message_of(test.join(options)).contains("used"));
    CHECK_FALSE(std::filesystem::exists(options.data_dir + "/node.pem"));
    options.token = test.mesh.make_token("web-2", {"web"});
    CHECK(value_of(test.join(options)).node.name == "web-2");
}

TEST_CASE("an agent whose token is refused ends with the reason; with no server it waits") {
    JoinCase test;
    config::AgentConfig config = test.mesh.agent_config("web-1", {"web"});
    CHECK(test.join({.token = value_of(host::read_file(*config.join_token_file, 1 << 16)),
                     .servers = {},
                     .data_dir = test.mesh.folder.path("elsewhere"),
                     .node = ""}));
    {
        RunningAgent agent(test.mesh.loop,
                           value_of(Agent::open(config, test.mesh.loop.loop(), {})));
        REQUIRE(test.mesh.loop.until([&] { return agent.ended(); }));
        CHECK(message_of(agent.end()).contains("used"));
    }
    config = test.mesh.agent_config("web-2", {"web"});
    test.mesh.stop_server();
    RunningAgent agent(test.mesh.loop, value_of(Agent::open(config, test.mesh.loop.loop(), {})));
    test.mesh.loop.pass(100ms);
    CHECK_FALSE(agent.ended());
    CHECK(agent.status().warnings(0).contains("not joined"));
    test.mesh.start_server();
    CHECK(test.mesh.loop.until([&] { return agent.agent().ready(); }));
    agent.stop();
    CHECK(agent.end());
}

} // namespace
} // namespace hawser::agent
