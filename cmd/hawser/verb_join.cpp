#include <unistd.h>

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>
#include <format>
#include <optional>

#include "agent/join.h"
#include "agent/state_dir.h"
#include "config/agent_config.h"
#include "config/config_file.h"
#include "console.h"
#include "host/files.h"
#include "io/clock.h"
#include "io/task_group.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

constexpr char default_config[] = "/etc/hawser/agent.toml";
constexpr std::size_t token_bytes = 16 << 10;

struct Options {
    std::string token;
    std::vector<std::string> servers;
    std::string config;
    std::string data_dir;
    bool json = false;
};

Result<std::string> read_token(const std::string& word) {
    if (word != "-") return word;
    std::string text;
    std::array<char, 4096> buffer;
    ssize_t got = 0;
    while (text.size() <= token_bytes &&
           (got = ::read(STDIN_FILENO, buffer.data(), buffer.size())) > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (got < 0) return fail_errno(errno, "reading the token");
    if (text.size() > token_bytes)
        return fail(ErrorCode::invalid, "that is not a token: it is too long");
    return text;
}

// What the configuration says about this host; the default file is not missed when it is not there.
// Not completed with the host's name: without a name in the file the token says who this is.
Result<config::AgentConfig> read_config(const Options& options) {
    const bool asked = !options.config.empty();
    if (!asked && !options.data_dir.empty()) return config::AgentConfig();
    const std::string path = asked ? options.config : default_config;
    const Result<std::string> text = config::read_config_file(path);
    if (!text && !asked && text.error().code == ErrorCode::not_found) return config::AgentConfig();
    if (!text) return fail(text.error());
    return config::parse_agent_config(*text, path);
}

io::Task<void> perform(agent::JoinOptions options, std::optional<Result<agent::JoinResult>>& result,
                       io::Loop& loop) {
    result = co_await agent::join(std::move(options));
    loop.stop();
}

Result<agent::JoinResult> join_now(agent::JoinOptions options) {
    std::optional<Result<agent::JoinResult>> result;
    io::Loop loop("join");
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(perform(std::move(options), result, loop));
    loop.run();
    return *std::move(result);
}

// What is left to do; the token's servers are stored, the services of this host are not known yet.
std::string next_step(const Options& options) {
    const std::string config = options.config.empty() ? default_config : options.config;
    const bool unit = config == default_config && ::access("/run/systemd/system", F_OK) == 0;
    return std::format("next: say in {} which services run here, then {}", config,
                       unit ? "systemctl enable --now hawser-agent" : "hawser agent -c " + config);
}

void print(const agent::JoinResult& joined, const Options& options) {
    if (options.json) {
        print_json({{"identity", joined.node.to_uri()},
                    {"already", joined.already},
                    {"confirmed", joined.confirmed},
                    {"expires_at", time_json(joined.expires_at)},
                    {"services", joined.services},
                    {"server", joined.server},
                    {"agent_told", joined.agent_told}});
        return;
    }
    if (joined.already) {
        print_line(std::format("this host already is {}, until {}, and the token is used up{}",
                               joined.node.to_uri(), time_text(joined.expires_at),
                               joined.confirmed ? "" : "; no server could be asked about it"));
        return;
    }
    std::string services;
    for (const std::string& name : joined.services)
        services += (services.empty() ? "" : ", ") + name;
    print_line(std::format("joined as {} through {}", joined.node.to_uri(), joined.server));
    print_line(std::format("certificate until {}; may speak for: {}", time_text(joined.expires_at),
                           services.empty() ? "no service" : services));
    print_line(joined.agent_told ? "the agent of this host uses it from now on"
                                 : next_step(options));
}

int run(const Options& options) {
    Result<config::AgentConfig> config = read_config(options);
    if (!config) return report_config(config.error());
    Result<std::string> token = read_token(options.token);
    if (!token) return report(token.error());
    agent::JoinOptions join_options{
        .token = *std::move(token),
        .servers = config->servers,
        .data_dir = options.data_dir.empty() ? config->data_dir : options.data_dir,
        .node = config->node,
        .machine_id_file = config->machine_id_file};
    if (!options.servers.empty()) join_options.servers.clear();
    for (const std::string& server : options.servers) {
        const Result<Endpoint> endpoint = Endpoint::parse(server);
        if (!endpoint) return report(endpoint.error());
        join_options.servers.push_back(*endpoint);
    }
    if (auto acting = host::act_as_owner(join_options.data_dir); !acting)
        return report(acting.error());
    const Result<agent::JoinResult> joined = join_now(std::move(join_options));
    if (!joined) {
        const int code = report(joined.error());
        const bool absent = joined.error().code == ErrorCode::unavailable ||
                            joined.error().code == ErrorCode::deadline_exceeded;
        return absent ? unreachable : code;
    }
    print(*joined, options);
    return done;
}

} // namespace

void add_join(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand("join", "Enrol this host in the mesh with a join token");
    verb.add_option("TOKEN", options->token, "from `hawser token create`; '-' reads it from stdin")
        ->required();
    verb.add_option("SERVER", options->servers, "ADDRESS:PORT of servers, instead of the token's");
    verb.add_option("-c,--config", options->config,
                    "agent.toml (default /etc/hawser/agent.toml if it is there)")
        ->type_name("FILE");
    verb.add_option("--data-dir", options->data_dir,
                    "where the identity is stored, instead of the configuration's")
        ->type_name("DIR");
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "The private key is made here and never leaves. Joining again with the same token changes\n"
        "nothing; a new token brings back a host that was deleted, or names its services anew, "
        "also\n"
        "while the agent runs.\n"
        "Example:\n  hawser token create --node web-1 --services web | ssh web-1 sudo hawser join "
        "-");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
