// Two agents and a server, whole, in one process: what passes, what doesn't, and what survives.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <format>

#include "host/files.h"
#include "http/h1_client.h"
#include "mesh.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;
using namespace std::chrono_literals;

// web on one host calls api on another.
struct TwoHosts {
    Mesh mesh;
    EchoServer api{mesh.loop};
    config::AgentConfig api_config = mesh.agent_config("api-1", {"api"});
    config::AgentConfig web_config = mesh.agent_config("web-1", {"web"});
    std::unique_ptr<RunningAgent> api_agent, web_agent;

    explicit TwoHosts(const std::function<void(config::ServerConfig&)>& adjust = {})
        : mesh(adjust) {
        api_config.services = {offered("api", api.port())};
        web_config.services = {caller("web", "api")};
    }
    void start() {
        api_agent = mesh.start(api_config);
        web_agent = mesh.start(web_config);
        REQUIRE(mesh.loop.until([&] { return Mesh::usable(*web_agent, "api") == 1; }));
    }
    [[nodiscard]] std::string talk() { return mesh.talk(web_agent->upstream(), "hello"); }
};

TEST_CASE("a caller is refused until a policy lets it in, then carried") {
    TwoHosts hosts;
    hosts.start();
    CHECK(hosts.web_agent->ready_calls <= 1);
    CHECK(hosts.mesh.loop.until([&] { return !hosts.web_agent->status().certificates().empty(); }));
    CHECK(hosts.talk().empty());
    CHECK(hosts.api.accepted() == 0);

    hosts.mesh.allow("web", "api");
    REQUIRE(hosts.mesh.talks(hosts.web_agent->upstream()));
    const std::string large(3'000'000, 'x');
    CHECK(hosts.mesh.talk(hosts.web_agent->upstream(), large) == large);
}

TEST_CASE("status tells who the agent is, and what it knows") {
    TwoHosts hosts;
    hosts.start();
    hosts.mesh.allow("web", "api");
    REQUIRE(hosts.mesh.talks(hosts.web_agent->upstream()));
    const v1::AgentStatusResponse status = hosts.web_agent->status();
    CHECK(status.node() == "web-1");
    CHECK(status.trust_domain() == "test.local");
    CHECK(status.server() == hosts.mesh.server_endpoint().to_string());
    CHECK(status.received_index() == status.enforced_index());
    CHECK_FALSE(status.from_cache());
    CHECK(status.mesh_services() == 1); // web offers nothing, it only calls
    CHECK(status.mesh_instances() == 1);
    CHECK(status.tunnels() >= 1);
    REQUIRE(status.certificates_size() == 2);
    CHECK(status.certificates(0).identity() == "spiffe://test.local/node/web-1");
    CHECK(status.certificates(1).identity() == "spiffe://test.local/svc/web");
    CHECK(status.warnings().empty());
}

// One that a service's file may name; nobody else has it meanwhile, as far as the kernel can help.
Endpoint free_endpoint(Mesh& mesh) {
    auto acceptor = value_of(io::listen_tcp(mesh.loop.executor(), loopback));
    return value_of(io::local_endpoint(acceptor.native_handle()));
}

TEST_CASE("services.d is watched: what comes and goes leaves the others alone") {
    TwoHosts hosts;
    Mesh& mesh = hosts.mesh;
    hosts.api_config = mesh.agent_config("api-1", {"api", "late"});
    hosts.api_config.services = {offered("api", hosts.api.port())};
    hosts.start();
    mesh.allow("web", "api");
    REQUIRE(mesh.talks(hosts.web_agent->upstream()));
    const auto write = [&](const config::AgentConfig& config, const std::string& text) {
        std::filesystem::create_directories(config.services_dir);
        succeed(host::write_file(config.services_dir + "/late.toml", text));
    };

    // Another instance of a service that nobody knew, and another listener for it.
    EchoServer late(mesh.loop);
    write(hosts.api_config, std::format("[[service]]\nname = \"late\"\nport = {}\n", late.port()));
    CHECK(mesh.loop.until([&] { return Mesh::usable(*hosts.web_agent, "late") == 1; }));
    mesh.allow("web", "late");
    const Endpoint listen = free_endpoint(mesh);
    write(hosts.web_config,
          std::format("[[service]]\nname = \"web\"\nport = 1\nupstream = [ {{ service = "
                      "\"late\", listen = \"{}\" }} ]\n",
                      listen.to_string()));
    CHECK(mesh.talks(listen));
    CHECK(late.accepted() > 0);
    CHECK(mesh.talk(hosts.web_agent->upstream(), "hello") == "hello");
    CHECK(hosts.web_agent->agent().bound().upstreams.size() == 2);

    // A mistake changes nothing, and is told until it is mended.
    write(hosts.api_config, "[[servce]]\n");
    REQUIRE(mesh.loop.until([&] { return !hosts.api_agent->status().warnings().empty(); }));
    CHECK(hosts.api_agent->status().warnings(0).contains("late.toml:1:3: unknown key 'servce'"));
    CHECK(mesh.talk(listen, "hello") == "hello");

    // Gone: the listener refuses, the instance is deregistered, the other listener goes on.
    std::filesystem::remove(hosts.web_config.services_dir + "/late.toml");
    std::filesystem::remove(hosts.api_config.services_dir + "/late.toml");
    CHECK(mesh.loop.until([&] { return Mesh::usable(*hosts.web_agent, "late") == 0; }));
    CHECK(mesh.loop.until([&] { return hosts.web_agent->agent().bound().upstreams.size() == 1; }));
    CHECK(mesh.loop.until([&] { return mesh.talk(listen, "hello").empty(); }));
    CHECK(mesh.talk(hosts.web_agent->upstream(), "hello") == "hello");
    CHECK(hosts.api_agent->status().warnings().empty());

    // Who listens there already is not disturbed.
    EchoServer stranger(mesh.loop);
    write(hosts.web_config,
          std::format("[[service]]\nname = \"web\"\nport = 1\nupstream = [ {{ service = "
                      "\"late\", listen = \"127.0.0.1:{}\" }} ]\n",
                      stranger.port()));
    REQUIRE(mesh.loop.until([&] { return !hosts.web_agent->status().warnings().empty(); }));
    CHECK(hosts.web_agent->status().warnings(0).contains("late.toml:4:"));
}

io::Task<Result<v1::GetResponse>> get(std::string socket, std::string kind) {
    auto client = co_await rpc::Client::connect_unix(std::move(socket));
    if (!client) co_return fail(std::move(client.error()));
    v1::GetRequest request;
    request.set_kind(kind);
    co_return co_await (*client)->call<v1::GetResponse>("/hawser.v1.Agent/Get", std::move(request));
}

TEST_CASE("the admin socket and the metrics endpoint answer") {
    TwoHosts hosts;
    hosts.start();
    const auto rows = value_of(hosts.mesh.loop.run(get(hosts.web_config.socket, "service")));
    CHECK(rows.rows_size() == 1);

    http::H1Request request;
    request.endpoint = hosts.web_agent->agent().bound().metrics;
    request.host = "localhost";
    request.path = "/ready";
    CHECK(value_of(hosts.mesh.loop.run(http::request_h1(request))).status == 200);
    request.path = "/metrics";
    request.max_body = 1 << 20;
    const auto metrics = value_of(hosts.mesh.loop.run(http::request_h1(request)));
    CHECK(metrics.status == 200);
    CHECK(metrics.body.contains("hawser_server_connected 1"));
    CHECK(metrics.body.contains("hawser_config_index"));
}

TEST_CASE("agents serve from what they cached when every server is gone") {
    TwoHosts hosts;
    hosts.start();
    hosts.mesh.allow("web", "api");
    REQUIRE(hosts.mesh.talks(hosts.web_agent->upstream()));
    // The services' certificates must be there before the server goes.
    hosts.mesh.stop_server();
    CHECK(hosts.talk() == "hello");

    hosts.api_agent->stop();
    hosts.web_agent->stop();
    CHECK(hosts.web_agent->end());
    hosts.api_config.tunnel_listen = hosts.api_agent->agent().bound().tunnel;
    hosts.api_agent.reset();
    hosts.web_agent.reset();
    hosts.start();
    CHECK(hosts.web_agent->status().from_cache());
    CHECK(hosts.mesh.talks(hosts.web_agent->upstream()));
}

TEST_CASE("a damaged cache is ignored") {
    TwoHosts hosts;
    hosts.start();
    hosts.web_agent->stop();
    hosts.web_agent.reset();
    succeed(
        host::write_file(hosts.web_config.data_dir + "/snapshot.cache", "hawser snapshot 1\nx"));
    hosts.web_agent = hosts.mesh.start(hosts.web_config);
    CHECK(hosts.mesh.loop.until([&] { return Mesh::usable(*hosts.web_agent, "api") == 1; }));
}

TEST_CASE("agents come back to a restarted server and hear what is new") {
    TwoHosts hosts;
    hosts.start();
    hosts.mesh.stop_server();
    REQUIRE(hosts.mesh.loop.until([&] { return hosts.web_agent->status().server().empty(); }));
    hosts.mesh.start_server();
    REQUIRE(hosts.mesh.loop.until([&] {
        return !hosts.web_agent->status().server().empty() &&
               !hosts.api_agent->status().server().empty();
    }));
    hosts.mesh.allow("web", "api");
    CHECK(hosts.mesh.talks(hosts.web_agent->upstream()));
}

TEST_CASE("an instance that fails its check stops getting connections, and comes back") {
    TwoHosts hosts;
    hosts.api_config.services.front().checks.push_back(
        {.kind = config::CheckKind::tcp, .interval = Duration{100}});
    hosts.start();
    hosts.api.stop();
    CHECK(hosts.mesh.loop.until([&] { return Mesh::usable(*hosts.web_agent, "api") == 0; }));
    const auto status = hosts.api_agent->status();
    CHECK(status.services(0).health() == v1::HEALTH_CRITICAL);
    CHECK(status.services(0).reason().contains("tcp 127.0.0.1"));
}

TEST_CASE("an agent that stops takes its instances out before it goes") {
    TwoHosts hosts;
    hosts.start();
    bool out_before_the_end = false;
    hosts.api_agent->agent().stop();
    REQUIRE(hosts.mesh.loop.until([&] {
        if (!hosts.api_agent->ended() && Mesh::usable(*hosts.web_agent, "api") == 0)
            out_before_the_end = true;
        return hosts.api_agent->ended();
    }));
    CHECK(hosts.api_agent->end());
    CHECK(out_before_the_end);
}

TEST_CASE("an agent that stops enforces what it hears for as long as its connections last") {
    TwoHosts hosts;
    hosts.start();
    hosts.mesh.allow("web", "api");
    REQUIRE(hosts.mesh.talks(hosts.web_agent->upstream()));
    io::Socket held = value_of(hosts.mesh.loop.run(
        io::connect_tcp(hosts.mesh.loop.executor(), hosts.web_agent->upstream())));
    char echoed = 0;
    REQUIRE(::send(held.native_handle(), "x", 1, MSG_NOSIGNAL) == 1);
    REQUIRE(hosts.mesh.loop.until(
        [&] { return ::recv(held.native_handle(), &echoed, 1, MSG_DONTWAIT) == 1; }));

    hosts.api_agent->agent().stop();
    REQUIRE(hosts.mesh.loop.until([&] { return Mesh::usable(*hosts.web_agent, "api") == 0; }));
    hosts.mesh.allow("batch", "api"); // returns when every agent enforces it
    CHECK_FALSE(hosts.api_agent->ended());
    held.close();
    CHECK(hosts.mesh.loop.until([&] { return hosts.api_agent->ended(); }, 30s));
}

TEST_CASE("certificates are renewed under traffic, long before they expire") {
    TwoHosts hosts(
        [](config::ServerConfig& config) { config.certificate_lifetime = Duration{4'000}; });
    hosts.start();
    hosts.mesh.allow("web", "api");
    REQUIRE(hosts.mesh.talks(hosts.web_agent->upstream()));
    const auto expiry = [&] {
        std::vector<std::int64_t> all;
        for (const auto& each : hosts.web_agent->status().certificates())
            all.push_back(each.not_after_ms());
        return all;
    };
    const auto first = expiry();
    int failures = 0;
    REQUIRE(hosts.mesh.loop.until([&] {
        if (hosts.talk() != "hello") ++failures;
        const auto now = expiry();
        return now.at(0) > first.at(0) + 4'000 && now.at(1) > first.at(1) + 4'000;
    }));
    CHECK(failures == 0);
    // It may be on its way back to the server with the new certificate.
    CHECK(hosts.mesh.loop.until([&] { return hosts.web_agent->status().warnings().empty(); }));
}

// When each certificate is renewed, as a part of its life.
std::vector<double> renewals(RunningAgent& agent) {
    std::vector<double> all;
    for (const auto& each : agent.agent().certificates().certificates()) {
        if (each.renews_at_ms() == 0 || each.not_after_ms() == 0) continue;
        const auto part = [&](std::int64_t time) {
            return static_cast<double>(time - each.issued_at_ms());
        };
        all.push_back(part(each.renews_at_ms()) / part(each.not_after_ms()));
    }
    return all;
}

TEST_CASE("agents renew so early that they survive as long as the servers promise") {
    TwoHosts hosts([](config::ServerConfig& config) {
        config.certificate_lifetime = 1h;
        config.availability_target = 48min; // a tenth of the life until renewal, a tenth for trying
    });
    hosts.start();
    const auto early = [&] {
        const std::vector<double> parts = renewals(*hosts.web_agent);
        return parts.size() == 2 &&
               std::ranges::all_of(parts, [](double part) { return part > 0.07 && part <= 0.1; });
    };
    CHECK(hosts.mesh.loop.until(early));
    // Also after a restart without a server to say it again.
    hosts.mesh.stop_server();
    hosts.web_agent->stop();
    hosts.web_agent.reset();
    hosts.web_agent = hosts.mesh.start(hosts.web_config);
    CHECK(early());
}

io::Task<Result<v1::RenewCertificatesResponse>> renew(std::string socket, std::string identity) {
    auto client = co_await rpc::Client::connect_unix(std::move(socket));
    if (!client) co_return fail(std::move(client.error()));
    v1::RenewCertificatesRequest request;
    request.set_identity(identity);
    co_return co_await (*client)->call<v1::RenewCertificatesResponse>(
        "/hawser.v1.Trust/RenewCertificates", std::move(request));
}

TEST_CASE("certificates are renewed when somebody asks, on whichever server answers") {
    TwoHosts hosts;
    Endpoint nobody = free_endpoint(hosts.mesh);
    hosts.web_config.servers = {nobody, hosts.mesh.server_endpoint()};
    hosts.start();
    hosts.mesh.allow("web", "api");
    REQUIRE(hosts.mesh.talks(hosts.web_agent->upstream()));
    const auto ask = [&](const std::string& identity) {
        return hosts.mesh.loop.run(renew(hosts.web_config.socket, identity));
    };
    const auto first = hosts.web_agent->agent().certificates();
    CHECK(first.certificates_size() == 4); // with the root and the intermediate
    const auto one = value_of(ask("svc/web"));
    REQUIRE(one.certificates_size() == 1);
    CHECK(one.certificates(0).not_after_ms() >= first.certificates(1).not_after_ms());
    CHECK(one.certificates(0).state() == "valid");
    CHECK(value_of(ask("")).certificates_size() == 2);
    CHECK(hosts.talk() == "hello");
    CHECK(message_of(ask("svc/nobody")).contains("'svc/nobody' is no identity of this agent"));

    const auto after = hosts.web_agent->agent().certificates();
    CHECK(after.succeeded() == first.succeeded() + 3);
    hosts.mesh.stop_server();
    CHECK(message_of(ask("node/web-1")).contains(hosts.mesh.server_endpoint().to_string()));
    CHECK(hosts.web_agent->agent().certificates().failed() > after.failed());
    CHECK(hosts.talk() == "hello");
}

TEST_CASE("a service that the token does not name gets no certificate, and the host is told why") {
    TwoHosts hosts;
    hosts.web_config.services.push_back(caller("admin", "api"));
    hosts.start();
    const auto warned = [&](std::string_view text) {
        for (const std::string& warning : hosts.web_agent->status().warnings())
            if (warning.contains(text)) return true;
        return false;
    };
    CHECK(hosts.mesh.loop.until([&] { return warned("may not speak for service 'admin'"); }));
    // The other services of the host are not held up by it.
    hosts.mesh.allow("web", "api");
    CHECK(hosts.mesh.talks(hosts.web_agent->upstream(0)));
    CHECK(hosts.mesh.talk(hosts.web_agent->upstream(1), "hello").empty());
}

TEST_CASE("two agents on one folder, or on one port, are told apart at the start") {
    TwoHosts hosts;
    hosts.start();
    config::AgentConfig second = hosts.web_config;
    auto opened = Agent::open(second, hosts.mesh.loop.loop(), {});
    CHECK(message_of(opened).contains("another hawser process uses"));
    second = hosts.mesh.agent_config("web-2", {});
    second.tunnel_listen = hosts.web_agent->agent().bound().tunnel;
    opened = Agent::open(second, hosts.mesh.loop.loop(), {});
    CHECK(message_of(opened).contains("Address already in use"));
    second.tunnel_listen = loopback;
    second.metrics_listen = hosts.web_agent->agent().bound().metrics;
    opened = Agent::open(second, hosts.mesh.loop.loop(), {});
    CHECK(message_of(opened).contains("Address already in use"));
}

} // namespace
} // namespace hawser::agent
