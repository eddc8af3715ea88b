// The session against servers that misbehave; mesh_test.cpp has the real one.
#include "agent/control_session.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "fixtures.h"
#include "http/test_loop.h"
#include "io/socket.h"
#include "rpc/server.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;
using namespace std::chrono_literals;

const Endpoint any_port{.address = IpAddress::v4(0x7f000001), .port = 0};

const TestAuthority& authority() {
    static const TestAuthority authority;
    return authority;
}

tls::CredentialsPtr credentials(model::IdentityKind kind, const std::string& name) {
    const model::Identity id = authority().id(kind, name);
    return value_of(proven_credentials(id, authority().pair(id), authority().trust()));
}

// Says what it is told to say to each agent that connects, and keeps what it hears.
class FakeServer {
  public:
    FakeServer(hawser::test::TestLoop& loop, tls::CredentialsPtr as, Endpoint at = any_port)
        : loop_(loop), tasks_(loop.executor()) {
        auto acceptor = value_of(io::listen_tcp(loop.executor(), at));
        endpoint = value_of(io::local_endpoint(acceptor.native_handle()));
        rpc::Methods methods;
        methods.streaming("/hawser.v1.Mesh/Session",
                          [this](const rpc::Caller& caller, rpc::MessageStream& stream) {
                              return serve(caller, stream);
                          });
        rpc::ServerOptions options;
        options.credentials = [as] { return as; };
        tasks_.spawn(rpc::serve(std::move(acceptor), std::move(methods), std::move(options)));
    }
    ~FakeServer() {
        for (rpc::MessageStream* stream : streams_) stream->abort();
        tasks_.cancel();
        if (!loop_.until([&] { return tasks_.size() == 0; })) std::abort();
    }
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;

    void say(const v1::MeshChanges& changes) {
        v1::ServerMessage message;
        *message.mutable_changes() = changes;
        script.push_back(message.SerializeAsString());
    }
    [[nodiscard]] std::size_t heard(v1::AgentMessage::MessageCase what) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            messages, [&](const auto& message) { return message.message_case() == what; }));
    }

    Endpoint endpoint;
    std::vector<std::string> script; // said to each
    bool hang_up = false;            // after it
    std::string refuse;              // registrations, for this reason
    std::vector<v1::AgentMessage> messages;
    int connections = 0;

  private:
    struct Listed {
        Listed(FakeServer& in, rpc::MessageStream& as) : server(in), stream(&as) {
            server.streams_.push_back(stream);
        }
        ~Listed() { std::erase(server.streams_, stream); }
        Listed(const Listed&) = delete;
        Listed& operator=(const Listed&) = delete;
        FakeServer& server;
        rpc::MessageStream* stream;
    };
    io::Task<Result<void>> serve(const rpc::Caller& caller, rpc::MessageStream& stream) {
        ++connections;
        const Listed listed(*this, stream);
        CHECK(caller.identity->kind == model::IdentityKind::node);
        for (const std::string& text : script) {
            if (!co_await stream.write(text, 5s)) co_return Result<void>();
        }
        if (hang_up) co_return fail(ErrorCode::aborted, "the script ends here");
        while (true) {
            auto bytes = co_await stream.read(1h);
            if (!bytes || !*bytes) co_return Result<void>();
            v1::AgentMessage message;
            CHECK(message.ParseFromString(**bytes));
            messages.push_back(message);
            if (!message.has_registration()) continue;
            v1::ServerMessage answer;
            if (refuse.empty()) {
                answer.mutable_registered()->set_index(77);
            } else {
                answer.mutable_refused()->set_reason(refuse);
            }
            if (!co_await stream.write(answer.SerializeAsString(), 5s)) co_return Result<void>();
        }
    }

    hawser::test::TestLoop& loop_;
    std::vector<rpc::MessageStream*> streams_; // open now
    io::TaskGroup tasks_;
};

struct SessionCase {
    hawser::test::TestLoop loop;
    MeshState mesh{"test.local"};
    ServerList servers{{}, "web-1"};
    std::unique_ptr<ControlSession> session;
    ControlSessionOptions options;
    int mesh_changes = 0;
    tls::CredentialsPtr node = credentials(model::IdentityKind::node, "web-1");

    void start(const std::vector<Endpoint>& in_this_order) {
        // Each node has an order of its own; it is one that has this.
        int number = 1;
        do {
            servers = ServerList(in_this_order, "web-" + std::to_string(number++));
        } while (servers.all() != in_this_order);
        options.version = "test";
        options.credentials = [this] { return node; };
        options.registration = [] { return model::SyncNode{.node = "web-1"}; };
        options.on_mesh = [this] { ++mesh_changes; };
        options.seed = 5;
        session =
            std::make_unique<ControlSession>(loop.executor(), std::move(options), mesh, servers);
        session->start();
    }
    ~SessionCase() {
        if (session) CHECK(loop.run(stop()));
    }
    io::Task<bool> stop() {
        co_await session->stop();
        co_return true;
    }
};

v1::MeshChanges snapshot(std::uint64_t index) {
    return batch(index, {row(authority().domain()), row(service("api"))}, true);
}

tls::CredentialsPtr server_credentials() {
    return credentials(model::IdentityKind::server, "s1");
}

TEST_CASE("hello first, then the registration, then what is enforced, then heartbeats") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    server.say(snapshot(5));
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return test.mesh_changes == 1 && server.messages.size() >= 2; }));
    CHECK(server.messages.at(0).hello().version() == "test");
    CHECK(server.messages.at(0).hello().have_index() == 0);
    CHECK(server.messages.at(0).hello().epoch() == 0);
    CHECK(server.messages.at(1).registration().node() == "web-1");
    CHECK(test.session->state().server == server.endpoint);
    CHECK(test.session->state().heard);

    test.session->enforced(5);
    test.session->registration_changed();
    REQUIRE(test.loop.until([&] {
        return server.heard(v1::AgentMessage::kEnforced) == 1 &&
               server.heard(v1::AgentMessage::kRegistration) == 2;
    }));
    // Nothing else to say: an empty message within the heartbeat's interval.
    CHECK(
        test.loop.until([&] { return server.heard(v1::AgentMessage::MESSAGE_NOT_SET) >= 1; }, 3s));
}

TEST_CASE("a session begins with what the agent has, and of which history that is") {
    SessionCase test;
    model::TrustDomain domain = authority().domain();
    domain.epoch = 77;
    domain.epoch_since = 1'000;
    REQUIRE(test.mesh.take(batch(5, {row(domain)}, true)).has_value());
    FakeServer server(test.loop, server_credentials());
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return !server.messages.empty(); }));
    CHECK(server.messages.at(0).hello().have_index() == 5);
    CHECK(server.messages.at(0).hello().epoch() == 77);
    CHECK(server.messages.at(0).hello().epoch_since_ms() == 1'000);
}

TEST_CASE("servers of an epoch that was given up are passed over, and each is named once") {
    SessionCase test;
    model::TrustDomain domain = authority().domain();
    domain.epoch = 2;
    domain.epoch_since = 1'000;
    REQUIRE(test.mesh.take(batch(5, {row(domain)}, true)));
    FakeServer old(test.loop, server_credentials()), other(test.loop, server_credentials());
    old.say(snapshot(90));
    other.say(snapshot(91));
    test.start({old.endpoint, other.endpoint});
    REQUIRE(test.loop.until([&] { return old.connections >= 2 && other.connections >= 2; }));
    CHECK(test.mesh.index() == 5);
    CHECK(test.mesh_changes == 0);
    CHECK(test.session->state().last_error.contains("given up"));
    CHECK(test.session->state().last_error.contains("hawser server recover"));
    other.script.clear();
    other.say(batch(2, {row(domain), row(service("db"))}, true));
    REQUIRE(test.loop.until([&] { return test.session->state().server == other.endpoint; }));
    CHECK(test.mesh.snapshot()->service("db") != nullptr);
}

TEST_CASE("what can't be understood ends the connection, not the agent") {
    std::vector<std::string> nonsense{"\xff\xff\xff"};
    v1::ServerMessage message;
    *message.mutable_changes() = batch(9, {row(service("db"))}, false);
    message.mutable_changes()->mutable_changes(0)->set_value("\xff");
    nonsense.push_back(message.SerializeAsString());
    *message.mutable_changes() = batch(3, {row(service("db"))}, false); // back in time
    nonsense.push_back(message.SerializeAsString());
    *message.mutable_changes() =
        batch(9, {row(TestAuthority("other.local").domain())}, true); // another mesh
    nonsense.push_back(message.SerializeAsString());
    for (const std::string& text : nonsense) {
        SessionCase test;
        FakeServer server(test.loop, server_credentials());
        server.say(snapshot(5));
        server.script.push_back(text);
        test.start({server.endpoint});
        REQUIRE(test.loop.until([&] { return server.connections >= 3; }));
        CHECK(test.mesh.index() == 5);
        CHECK(test.mesh.snapshot()->service("api") != nullptr);
        CHECK(test.mesh.snapshot()->service("db") == nullptr);
        CHECK(test.session->state().last_error.contains("unusable"));
    }
}

TEST_CASE("a snapshot that breaks off in the middle is not used") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    v1::MeshChanges part = snapshot(5);
    part.set_complete(false);
    server.say(part);
    server.hang_up = true;
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return server.connections >= 2; }));
    CHECK_FALSE(test.mesh.known());
    CHECK(test.mesh_changes == 0);
    CHECK_FALSE(test.session->state().server);
}

TEST_CASE("the next server is tried when one is gone, or is none") {
    SessionCase test;
    Endpoint nobody;
    {
        auto acceptor = value_of(io::listen_tcp(test.loop.executor(), any_port));
        nobody = value_of(io::local_endpoint(acceptor.native_handle()));
    }
    FakeServer impostor(test.loop, credentials(model::IdentityKind::service, "api"));
    FakeServer second(test.loop, server_credentials()), third(test.loop, server_credentials());
    second.say(snapshot(5));
    second.hang_up = true;
    third.say(snapshot(6));
    test.start({nobody, impostor.endpoint, second.endpoint, third.endpoint});
    REQUIRE(test.loop.until([&] { return test.session->state().server == third.endpoint; }));
    CHECK(impostor.connections == 0);
    CHECK(second.connections == 1);
    CHECK(test.mesh.index() == 6);
}

TEST_CASE("servers told of by the mesh are used when the configured one goes") {
    SessionCase test;
    FakeServer other(test.loop, server_credentials());
    other.say(snapshot(6));
    {
        FakeServer first(test.loop, server_credentials());
        v1::MeshChanges changes = snapshot(5);
        changes.add_servers(first.endpoint.to_string());
        changes.add_servers(other.endpoint.to_string());
        first.say(changes);
        test.start({first.endpoint});
        REQUIRE(test.loop.until([&] { return test.mesh.index() == 5; }));
    }
    CHECK(test.loop.until([&] { return test.session->state().server == other.endpoint; }));
}

TEST_CASE("an agent goes back to its own server when that is there again") {
    SessionCase test;
    auto home_taken = value_of(io::listen_tcp(test.loop.executor(), any_port));
    const Endpoint home_endpoint = value_of(io::local_endpoint(home_taken.native_handle()));
    home_taken.close();
    FakeServer other(test.loop, server_credentials());
    other.say(snapshot(5));
    test.options.look_home = 20ms;
    test.start({home_endpoint, other.endpoint});
    REQUIRE(test.loop.until([&] { return test.session->state().server == other.endpoint; }));
    FakeServer home(test.loop, server_credentials(), home_endpoint);
    home.say(snapshot(6));
    REQUIRE(test.loop.until([&] { return test.session->state().server == home.endpoint; }));
    CHECK(other.connections == 1); // nothing was given up before home answered
    CHECK(home.connections == 1);
    CHECK(test.session->state().last_error.empty());
}

TEST_CASE("a refused registration is kept for people, and cleared by an accepted one") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    server.say(snapshot(5));
    server.refuse = "no\nsuch service";
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return !test.session->state().refusal.empty(); }));
    CHECK(test.session->state().refusal.contains("such service"));
    CHECK_FALSE(test.session->state().refusal.contains("\n")); // shown as text, whatever it holds
    CHECK(test.session->state().server);                       // still connected
    server.refuse.clear();
    test.session->registration_changed();
    REQUIRE(test.loop.until([&] { return test.session->state().refusal.empty(); }));
    CHECK(test.session->state().registered_index == 77);
}

io::Task<bool> settle(ControlSession& session, std::chrono::milliseconds timeout) {
    co_await session.settle_registration(timeout);
    co_return true;
}

TEST_CASE("settling a registration ends with its answer, without a server at once") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    test.start({server.endpoint});
    CHECK(test.loop.run(settle(*test.session, 1h))); // not connected yet
    server.say(snapshot(5));
    REQUIRE(test.loop.until([&] { return test.session->state().server.has_value(); }));
    test.session->registration_changed();
    CHECK(test.loop.run(settle(*test.session, 1h)));
    CHECK(server.heard(v1::AgentMessage::kRegistration) >= 1);
    CHECK(test.session->state().registered_index == 77);
}

TEST_CASE("new credentials: it comes back with them at once, to the same server") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    server.say(snapshot(5));
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return test.session->state().server.has_value(); }));
    test.session->credentials_changed();
    REQUIRE(test.loop.until(
        [&] { return server.connections == 2 && test.session->state().server.has_value(); }));
    CHECK(test.session->state().last_error.empty());
    CHECK(server.messages.back().message_case() != v1::AgentMessage::kHello);
}

TEST_CASE("an agent that stops says so, and does not come back") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    server.say(snapshot(5));
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return test.session->state().server.has_value(); }));
    CHECK(test.loop.run(test.stop()));
    CHECK(server.messages.back().message_case() == v1::AgentMessage::kLeaving);
    CHECK(server.connections == 1);
    CHECK_FALSE(test.session->state().server);
    test.session.reset();
}

TEST_CASE("new credentials are no farewell") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    server.say(snapshot(5));
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return test.session->state().server.has_value(); }));
    test.session->credentials_changed();
    REQUIRE(test.loop.until([&] { return server.connections == 2; }));
    CHECK(server.heard(v1::AgentMessage::kLeaving) == 0);
}

TEST_CASE("without a valid certificate it says so, and goes on when there is one") {
    SessionCase test;
    FakeServer server(test.loop, server_credentials());
    server.say(snapshot(5));
    const tls::CredentialsPtr later = std::exchange(test.node, nullptr);
    test.start({server.endpoint});
    REQUIRE(test.loop.until([&] { return !test.session->state().last_error.empty(); }));
    CHECK(test.session->state().last_error.contains("no valid certificate"));
    test.node = later;
    CHECK(test.loop.until([&] { return test.session->state().server.has_value(); }));
}

} // namespace
} // namespace hawser::agent
