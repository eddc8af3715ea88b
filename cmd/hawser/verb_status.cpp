#include <unistd.h>

#include <format>
#include <optional>

#include "console.h"
#include "daemon_client.h"
#include "io/clock.h"
#include "leftovers.h"
#include "status_view.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    bool json = false;
};

// One of them answered, and the other is not what runs there.
struct Statuses {
    std::optional<AgentView> agent;
    std::optional<v1::ServerStatusResponse> server;
};

Result<AgentView> ask_agent(DaemonClient& client) {
    auto status =
        client.call<v1::AgentStatusResponse>("/hawser.v1.Agent/Status", v1::AgentStatusRequest());
    if (!status) return fail(std::move(status.error()));
    AgentView agent{.status = *std::move(status), .rules_match = {}};
    const auto rules = client.call<v1::InterceptStatusResponse>("/hawser.v1.Agent/InterceptStatus",
                                                                v1::InterceptStatusRequest());
    if (rules) agent.rules_match = rules->matches();
    return agent;
}
Result<v1::ServerStatusResponse> ask_server(DaemonClient& client) {
    return client.call<v1::ServerStatusResponse>("/hawser.v1.Api/ServerStatus",
                                                 v1::ServerStatusRequest());
}

Result<Statuses> ask_either(DaemonClient& client) {
    Statuses statuses;
    Result<AgentView> agent = ask_agent(client);
    if (agent) {
        statuses.agent = *std::move(agent);
        return statuses;
    }
    if (agent.error().code != ErrorCode::unimplemented) return fail(std::move(agent.error()));
    Result<v1::ServerStatusResponse> server = ask_server(client);
    if (!server) return fail(std::move(server.error()));
    statuses.server = *std::move(server);
    return statuses;
}

// The daemon that was named.
int show_one(const Options& options) {
    DaemonClient client(options.target, {agent_socket});
    const Result<Statuses> statuses = ask_either(client);
    if (!statuses) return client.report(statuses.error());
    if (options.json) {
        print_json(statuses->agent ? to_json(*statuses->agent) : to_json(*statuses->server));
    } else if (statuses->agent) {
        print(*statuses->agent, io::wall_now());
    } else {
        print(*statuses->server, io::wall_now());
    }
    return done;
}

int report_nobody() {
    report({ErrorCode::unavailable,
            std::format("neither an agent nor a server runs here: there is no {} and no {}; see "
                        "systemctl status hawser-agent hawser-server, or name another with "
                        "--socket or --server",
                        agent_socket, server_socket)});
    return unreachable;
}

// Whichever daemons run on this host.
int show_host(const Options& options) {
    DaemonClient agent_client(options.target, {agent_socket});
    DaemonClient server_client(options.target, {server_socket});
    const auto agent = ask_agent(agent_client);
    const auto server = ask_server(server_client);
    const bool agent_there = ::access(agent_socket, F_OK) == 0;
    const bool server_there = ::access(server_socket, F_OK) == 0;
    if (!agent) warn_of_leftovers(agent.error());
    if (!agent && !server) {
        if (!agent_there && !server_there) return report_nobody();
        return agent_there ? agent_client.report(agent.error())
                           : server_client.report(server.error());
    }
    int code = done; // a socket without an answer is worth saying, beside the other's answer
    if (!agent && agent_there) code = agent_client.report(agent.error());
    if (!server && server_there) code = server_client.report(server.error());
    if (options.json) {
        print_json({{"agent", agent ? to_json(*agent) : json()},
                    {"server", server ? to_json(*server) : json()}});
        return code;
    }
    if (server) print(*server, io::wall_now());
    if (server && agent) print_line("");
    if (agent) print(*agent, io::wall_now());
    return code;
}

int run(const Options& options) {
    const bool named = !options.target.socket.empty() || !options.target.server.empty();
    return named ? show_one(options) : show_host(options);
}

} // namespace

void add_status(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand("status", "Show the daemons of this host at a glance");
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json,
                  "print JSON: {agent, server}, or the one named by --socket or --server");
    verb.footer("Example:\n  hawser status");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
