// The example files of config/ are what operators begin with: they must be valid, and their
// commented lines must be the real defaults.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/random.h"
#include "config/agent_config.h"
#include "config/resource_file.h"
#include "config/server_config.h"
#include "config/source_root.h"

using namespace hawser;
using namespace hawser::config;

namespace {

std::string example(const std::string& name) {
    const std::filesystem::path path = std::filesystem::path(HAWSER_SOURCE_ROOT) / "config" / name;
    std::ifstream file(path);
    REQUIRE(file.is_open());
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// The commented lines "# key = value" and "# [[service]]" as if they were not commented.
std::string uncommented(const std::string& text) {
    static const std::regex line("(^|\n)# ((\\[\\[service\\]\\])|([a-z0-9_]+ = [^\n]*))");
    return std::regex_replace(text, line, "$1$2");
}

} // namespace

TEST_CASE("the examples are valid, and of the kind their name says") {
    CHECK(parse_agent_config(example("agent.toml"), "agent.toml").has_value());
    CHECK(parse_server_config(example("server.toml"), "server.toml").has_value());
    CHECK(parse_agent_config(example("services.d/api.toml"), "api.toml").has_value());
    CHECK(parse_resources(example("resources.toml"), "resources.toml").has_value());
    CHECK(detect_file_kind(example("agent.toml"), "").value() == FileKind::agent);
    CHECK(detect_file_kind(example("server.toml"), "").value() == FileKind::server);
    CHECK(detect_file_kind(example("services.d/api.toml"), "").value() == FileKind::agent);
    CHECK(detect_file_kind(example("resources.toml"), "").value() == FileKind::resources);
}

TEST_CASE("the agent's commented lines are valid, and its defaults are defaults") {
    const Result<AgentConfig> all =
        parse_agent_config(uncommented(example("agent.toml")), "agent.toml");
    REQUIRE_MESSAGE(all.has_value(), (all ? "" : all.error().message));
    const AgentConfig plain = parse_agent_config("", "").value();
    CHECK(all->data_dir == plain.data_dir);
    CHECK(all->socket == plain.socket);
    CHECK(all->services_dir == plain.services_dir);
    CHECK(all->workers == plain.workers);
    CHECK(all->tunnel_listen == plain.tunnel_listen);
    CHECK(all->intercept_mode == plain.intercept_mode);
    CHECK(all->on_exit == plain.on_exit);
    CHECK(all->outbound_port == plain.outbound_port);
    CHECK(all->inbound_port == plain.inbound_port);
    CHECK(all->dns_listen == plain.dns_listen);
    CHECK(all->dns_capture == plain.dns_capture);
    CHECK(all->metrics_listen == plain.metrics_listen);
    CHECK(all->log_level == plain.log_level);
    CHECK(all->log_format == plain.log_format);
    CHECK(all->access_log == plain.access_log);
    CHECK(all->services.size() == 1);
}

TEST_CASE("the server's commented lines are valid, and its defaults are defaults") {
    const Result<ServerConfig> all =
        parse_server_config(uncommented(example("server.toml")), "server.toml");
    REQUIRE_MESSAGE(all.has_value(), (all ? "" : all.error().message));
    const ServerConfig plain = parse_server_config("", "").value();
    CHECK(all->listen == plain.listen);
    CHECK(all->data_dir == plain.data_dir);
    CHECK(all->socket == plain.socket);
    CHECK(all->trust_domain == plain.trust_domain);
    CHECK(all->dns_domain == plain.dns_domain);
    CHECK(all->vip4 == plain.vip4);
    CHECK(all->vip6 == plain.vip6);
    CHECK(all->certificate_lifetime == plain.certificate_lifetime);
    CHECK(all->session_timeout == plain.session_timeout);
    CHECK(all->bootstrap_expect == plain.bootstrap_expect);
    CHECK(all->dead_server_after == plain.dead_server_after);
    CHECK(all->snapshot_interval == plain.snapshot_interval);
    CHECK(all->snapshots_kept == plain.snapshots_kept);
    CHECK(all->snapshot_dir == plain.snapshot_dir);
    CHECK(all->log_level == plain.log_level);
    CHECK(all->log_format == plain.log_format);
}

TEST_CASE("however an example is damaged, it is read or refused with a place, never worse") {
    const std::string files[] = {uncommented(example("agent.toml")),
                                 uncommented(example("server.toml")),
                                 example("services.d/api.toml"), example("resources.toml")};
    Random random(6);
    constexpr std::string_view pieces[] = {"[",    "]",   "{",         "}",
                                           "\"",   "'''", "=",         ".",
                                           ",",    "\n",  "#",         "[[service]]\n",
                                           "-1",   "1e9", "true",      "\\u0000",
                                           "\xff", "\0",  "2020-01-01"};
    for (int round = 0; round < 4000; ++round) {
        std::string text = files[random.below(std::size(files))];
        for (std::uint64_t edits = random.below(3) + 1; edits > 0; --edits) {
            const std::size_t at = random.below(text.size());
            switch (random.below(4)) {
                case 0: text[at] = static_cast<char>(random.next()); break;
                case 1: text.erase(at, random.below(20)); break;
                case 2:
                    text.insert(at, text.substr(random.below(text.size()), random.below(60)));
                    break;
                default: text.insert(at, pieces[random.below(std::size(pieces))]); break;
            }
        }
        const auto refused_with_place = [](const auto& result) {
            return result.has_value() || result.error().message.starts_with("f:");
        };
        CHECK(refused_with_place(parse_agent_config(text, "f")));
        CHECK(refused_with_place(parse_server_config(text, "f")));
        CHECK(refused_with_place(parse_resources(text, "f")));
        CHECK(refused_with_place(detect_file_kind(text, "f")));
    }
}
