#include "config/agent_config.h"

#include <doctest/doctest.h>

#include "config/server_config.h"

using namespace hawser;
using namespace hawser::config;

TEST_CASE("every key of agent.toml arrives where it belongs") {
    const Result<AgentConfig> read = parse_agent_config(R"(
node = "web-1"
zone = "eu-west-1/a"
servers = ["10.0.0.1:7443", "[fd00::2]:7443"]
join_token_file = "/run/token"
data_dir = "/data"
socket = "/run/a.sock"
services_dir = "/etc/s.d"
workers = 3
[tunnel]
listen = "10.0.1.7:15009"
advertise = "10.0.1.8:15010"
[intercept]
mode = "explicit"
on_exit = "closed"
outbound_port = 1
inbound_port = 65535
[dns]
listen = "127.0.0.2:53"
capture = false
upstreams = ["9.9.9.9:53"]
[metrics]
listen = "[::1]:1"
[log]
level = "debug"
format = "json"
[access_log]
mode = "all"

[[service]]
name = "api"
port = 8080
address = "10.0.1.7"
user = "1000"
labels = { version = "v2", "a.b/c" = "" }
weight = 0
check = [ { http = "/healthz?x=1", interval = "1s" },
          { tcp = true, critical_after = 3, passing_after = 2 },
          { exec = ["/bin/check", "-v"], interval = "1m", timeout = "30s" } ]
upstream = [ { service = "db", listen = "127.0.0.1:15432" } ]

[[service]]
name = "web"
)",
                                                        "agent.toml");
    REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error().message));
    const AgentConfig& config = *read;
    CHECK(config.node == "web-1");
    CHECK(config.zone == "eu-west-1/a");
    CHECK(config.servers == std::vector{Endpoint::parse("10.0.0.1:7443").value(),
                                        Endpoint::parse("[fd00::2]:7443").value()});
    CHECK(config.join_token_file == "/run/token");
    CHECK(config.data_dir == "/data");
    CHECK(config.socket == "/run/a.sock");
    CHECK(config.services_dir == "/etc/s.d");
    CHECK(config.workers == 3);
    CHECK(config.tunnel_listen.to_string() == "10.0.1.7:15009");
    CHECK(config.tunnel_advertise->to_string() == "10.0.1.8:15010");
    CHECK(config.intercept_mode == InterceptMode::explicit_);
    CHECK(config.on_exit == OnExit::closed);
    CHECK(config.outbound_port == 1);
    CHECK(config.inbound_port == 65535);
    CHECK(config.dns_listen.to_string() == "127.0.0.2:53");
    CHECK_FALSE(config.dns_capture);
    CHECK(config.dns_upstreams.at(0).to_string() == "9.9.9.9:53");
    CHECK(config.metrics_listen.to_string() == "[::1]:1");
    CHECK(config.log_level == "debug");
    CHECK(config.log_format == "json");
    CHECK(config.access_log == AccessLogMode::all);

    REQUIRE(config.services.size() == 2);
    const ServiceConfig& api = config.services[0];
    CHECK(api.name == "api");
    CHECK(api.port == 8080);
    CHECK(api.address.to_string() == "10.0.1.7");
    CHECK(api.user == "1000");
    CHECK(api.user_place == "agent.toml:34:8");
    CHECK(api.labels == std::map<std::string, std::string>{{"version", "v2"}, {"a.b/c", ""}});
    CHECK(api.weight == 0);
    REQUIRE(api.checks.size() == 3);
    CHECK(api.checks[0].kind == CheckKind::http);
    CHECK(api.checks[0].http_path == "/healthz?x=1");
    CHECK(api.checks[0].timeout == Duration{1000}); // never longer than the interval
    CHECK(api.checks[1].kind == CheckKind::tcp);
    CHECK(api.checks[1].interval == Duration{10'000});
    CHECK(api.checks[1].timeout == Duration{2'000});
    CHECK(api.checks[1].critical_after == 3);
    CHECK(api.checks[1].passing_after == 2);
    CHECK(api.checks[2].kind == CheckKind::exec);
    CHECK(api.checks[2].command == std::vector<std::string>{"/bin/check", "-v"});
    CHECK(api.upstreams.at(0).service == "db");
    CHECK(api.upstreams.at(0).listen.port == 15432);
    CHECK(config.services[1].port == 0);
    CHECK(config.services[1].address.is_loopback());
    CHECK_FALSE(config.services[1].user.has_value());
}

TEST_CASE("a service that says nothing of checks is checked for accepting connections") {
    const auto checks = [](const std::string& more) {
        const auto read = parse_agent_config("[[service]]\nname = \"api\"\n" + more, "agent.toml");
        REQUIRE_MESSAGE(read.has_value(), read.error().message);
        return read->services.at(0).checks;
    };
    CHECK(checks("port = 80\n") == std::vector{CheckConfig{.kind = CheckKind::tcp}});
    CHECK(checks("port = 80\ncheck = []\n").empty());
    CHECK(checks("").empty()); // it only calls
}

TEST_CASE("every key of server.toml arrives where it belongs") {
    const Result<ServerConfig> read = parse_server_config(R"(
node = "s1"
data_dir = "/data"
socket = "/run/s.sock"
listen = "10.0.0.1:7444"
advertise = ["1.2.3.4:7443"]
trust_domain = "prod.example"
dns_domain = "svc.example"
vip4 = "10.128.0.0/16"
vip6 = "fd00:1::/64"
certificate_lifetime = "1h"
session_timeout = "5s"
join_token_file = "/token"
bootstrap_expect = 3
dead_server_after = "1h"
snapshots = { interval = "10m", keep = 3, dir = "/backup" }
log = { level = "off", format = "text" }
)",
                                                          "server.toml");
    REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error().message));
    CHECK(read->node == "s1");
    CHECK(read->data_dir == "/data");
    CHECK(read->socket == "/run/s.sock");
    CHECK(read->listen.to_string() == "10.0.0.1:7444");
    CHECK(read->advertise.at(0).to_string() == "1.2.3.4:7443");
    CHECK(read->trust_domain == "prod.example");
    CHECK(read->dns_domain == "svc.example");
    CHECK(read->vip4.to_string() == "10.128.0.0/16");
    CHECK(read->vip6.to_string() == "fd00:1::/64");
    CHECK(read->certificate_lifetime == Duration{3'600'000});
    CHECK(read->session_timeout == Duration{5'000});
    CHECK(read->join_token_file == "/token");
    CHECK(read->bootstrap_expect == 3);
    CHECK(read->dead_server_after == Duration{3'600'000});
    CHECK(read->snapshot_interval == Duration{600'000});
    CHECK(read->snapshots_kept == 3);
    CHECK(read->snapshot_dir == "/backup");
    CHECK(read->log_level == "off");
    CHECK(read->log_format == "text");
}

TEST_CASE("a server's snapshots are in its data directory, and may be turned off") {
    const ServerConfig config =
        parse_server_config("data_dir = \"/d\"\nsnapshots = { interval = \"0s\" }\n", "f").value();
    CHECK(config.snapshot_dir == "/d/snapshots");
    CHECK(config.snapshot_interval == Duration{0});
}

TEST_CASE("one service may listen on several ports of a host") {
    CHECK(parse_agent_config(
              "[[service]]\nname = \"api\"\nport = 1\n[[service]]\nname = \"api\"\nport = 2\n", "f")
              .has_value());
}
