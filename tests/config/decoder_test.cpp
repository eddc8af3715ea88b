#include "config/decoder.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "config/agent_config.h"
#include "config/server_config.h"

using namespace hawser;
using namespace hawser::config;

TEST_CASE("all problems of a file, in its order") {
    const Result<AgentConfig> config = parse_agent_config(R"(nodes = "web-1"
zone = 5
[tunnel]
listen = "15008"
[[service]]
prot = 80
)",
                                                          "agent.toml");
    REQUIRE_FALSE(config.has_value());
    CHECK(config.error().code == ErrorCode::invalid);
    CHECK(
        config.error().message ==
        "agent.toml:1:1: unknown key 'nodes'; did you mean 'node'?\n"
        "agent.toml:2:8: 'zone' must be a string, not an integer\n"
        "agent.toml:4:10: 'tunnel.listen': '15008' is not ADDRESS:PORT (like \"10.0.0.1:7443\" or "
        "\"[fd00::1]:7443\")\n"
        "agent.toml:5:1: 'name' is missing\n"
        "agent.toml:6:1: unknown key 'prot'; did you mean 'port'?");
}

TEST_CASE("problems are bounded") {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "x" + std::to_string(i) + " = 1\n";
    const std::string message = parse_server_config(text, "s").error().message;
    CHECK(std::ranges::count(message, '\n') == 20);
    CHECK(message.ends_with("\ns: and 80 more errors"));
}

TEST_CASE("a file's text cannot forge an error line") {
    const std::string message = parse_server_config("\"a\\nb\\u001b\" = 1\n", "s").error().message;
    CHECK(message == R"(s:1:1: unknown key 'a\x0ab\x1b')");
}
