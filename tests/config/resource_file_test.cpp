#include "config/resource_file.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "model/validation.h"

using namespace hawser;
using namespace hawser::config;

TEST_CASE("services and policies") {
    const Result<ResourceFile> read = parse_resources(R"(
[[service]]
name = "api"
protocol = "grpc"
balance = "random"
default_policy = "allow"
mtls = "strict"
timeouts = { connect = "250ms", idle = "0s" }
limits = { connections = 5 }
[[service]]
name = "db"
[[policy]]
name = "p"
service = "api"
action = "deny"
mode = "shadow"
from = ["web", "*"]
)",
                                                      "r");
    REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error().message));
    REQUIRE(read->services.size() == 2);
    model::Service api;
    api.name = "api";
    api.protocol = model::Protocol::grpc;
    api.balance = model::Balance::random;
    api.default_policy = model::Effect::allow;
    api.connect_timeout = Duration{250};
    api.idle_timeout = Duration{0};
    api.max_connections = 5;
    CHECK(read->services[0] == api);
    model::Service db;
    db.name = "db";
    CHECK(read->services[1] == db);
    REQUIRE(read->policies.size() == 1);
    CHECK(read->policies[0] == model::Policy{.name = "p",
                                             .service = "api",
                                             .action = model::Effect::deny,
                                             .mode = model::PolicyMode::shadow,
                                             .from = {"web", "*"}});
}

TEST_CASE("an empty file changes nothing") {
    const Result<ResourceFile> read = parse_resources("# nothing\n", "r");
    REQUIRE(read.has_value());
    CHECK(read->services.empty());
    CHECK(read->policies.empty());
}

TEST_CASE("resources written as TOML are read back as they were") {
    Random random(7);
    for (int round = 0; round < 500; ++round) {
        model::Service service;
        service.name = "s" + std::to_string(random.below(1000));
        service.protocol = static_cast<model::Protocol>(random.below(3));
        service.balance = static_cast<model::Balance>(random.below(3));
        service.default_policy = static_cast<model::Effect>(random.below(2));
        service.connect_timeout = Duration{1 + static_cast<std::int64_t>(random.below(300'000))};
        service.idle_timeout = Duration{static_cast<std::int64_t>(random.below(31'536'000'000))};
        service.max_connections = static_cast<std::uint32_t>(1 + random.below(1'000'000));
        REQUIRE(model::check(service).has_value());
        model::Policy policy{.name = "p",
                             .service = service.name,
                             .action = static_cast<model::Effect>(random.below(2)),
                             .mode = static_cast<model::PolicyMode>(random.below(2)),
                             .from = {"*"}};
        for (std::uint64_t n = random.below(5); n > 0; --n)
            policy.from.push_back("caller-" + std::to_string(n));
        const Result<ResourceFile> read =
            parse_resources(to_toml(service) + "\n" + to_toml(policy), "r");
        REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error().message));
        CHECK(read->services.at(0) == service);
        CHECK(read->policies.at(0) == policy);
    }
}

TEST_CASE("what kind of file a text is") {
    const auto kind = [](const char* text) { return detect_file_kind(text, "f"); };
    CHECK(kind("servers = []\n").value() == FileKind::agent);
    CHECK(kind("node = \"x\"\n[tunnel]\n").value() == FileKind::agent);
    CHECK(kind("node = \"x\"\nlisten = \"0.0.0.0:1\"\n").value() == FileKind::server);
    CHECK(kind("[[policy]]\n").value() == FileKind::resources);
    CHECK(kind("[[service]]\nname = \"x\"\nport = 1\n").value() == FileKind::agent);
    CHECK(kind("[[service]]\nname = \"x\"\nprotocol = \"tcp\"\n").value() == FileKind::resources);
    CHECK(kind("[[service]]\nname = \"x\"\n").value() == FileKind::resources);
    CHECK(kind("[[route]]\n").value() == FileKind::resources);
    CHECK(kind("[[polcy]]\n").error().message ==
          "f:1:3: unknown key 'polcy'; did you mean 'policy'?");
    // All defaults: as a daemon would take it.
    CHECK(detect_file_kind("# nothing yet\n", "/etc/hawser/agent.toml") == FileKind::agent);
    CHECK(detect_file_kind("", "server.toml") == FileKind::server);
    CHECK(kind("") == FileKind::resources);
    CHECK(kind("a = ").error().message.starts_with("f:1:5: syntax error: "));
}
