// `hawser server`: the daemon, and what is done with the cluster it is of.
#include <nlohmann/json.hpp>

#include <format>
#include <optional>

#include "base/bytes.h"
#include "build_info.h"
#include "config/server_config.h"
#include "console.h"
#include "daemon_client.h"
#include "daemons.h"
#include "host/files.h"
#include "input.h"
#include "io/task_group.h"
#include "model/proto/cluster.pb.h"
#include "server/recover.h"
#include "server/server_join.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

constexpr char default_config[] = "/etc/hawser/server.toml";
// Moving leadership, and removing a server, take elections and entries of the log.
constexpr std::chrono::milliseconds change_timeout{60'000};

struct RunOptions {
    std::string config = default_config;
};
struct JoinOptions {
    std::string token;
    std::vector<std::string> servers;
    std::string config = default_config;
    bool json = false;
};
struct ChangeOptions {
    TargetOptions target;
    std::string server;
    bool json = false;
};
struct RecoverOptions {
    std::string config = default_config;
    std::string confirm;
    bool although_others_answer = false;
    bool json = false;
};

int run(const RunOptions& options) {
    return run_server(options.config);
}

// --- join -------------------------------------------------------------------------------------

io::Task<void> perform(server::ServerJoinOptions options,
                       std::optional<Result<server::ServerJoinResult>>& result, io::Loop& loop) {
    result = co_await server::join_cluster(std::move(options));
    loop.stop();
}

Result<server::ServerJoinResult> join_now(server::ServerJoinOptions options) {
    std::optional<Result<server::ServerJoinResult>> result;
    io::Loop loop("join");
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(perform(std::move(options), result, loop));
    loop.run();
    return *std::move(result);
}

void print(const server::ServerJoinResult& joined, bool as_json) {
    if (as_json) {
        print_json({{"server", joined.server},
                    {"trust_domain", joined.trust_domain},
                    {"already", joined.already},
                    {"others", joined.others}});
        return;
    }
    std::string others;
    for (const std::string& name : joined.others) others += (others.empty() ? "" : ", ") + name;
    print_line(std::format("{} server '{}' of {}, beside {}",
                           joined.already ? "this already is" : "joined as", joined.server,
                           joined.trust_domain, others.empty() ? "none" : others));
    if (!joined.already) print_line("next: start it; it votes once it has caught up");
}

int join(const JoinOptions& options) {
    Result<config::ServerConfig> config = config::load_server_config(options.config);
    if (!config) return report_config(config.error());
    Result<std::string> token = options.token == "-" ? read_input("-") : options.token;
    if (!token) return report(token.error());
    if (const Result<void> acting = host::act_as_owner(config->data_dir); !acting)
        return report(acting.error());
    server::ServerJoinOptions join_options{.config = *std::move(config),
                                           .token = *std::move(token),
                                           .servers = {},
                                           .version = build_version};
    for (const std::string& server : options.servers) {
        const Result<Endpoint> endpoint = Endpoint::parse(server);
        if (!endpoint) return report(endpoint.error());
        join_options.servers.push_back(*endpoint);
    }
    const Result<server::ServerJoinResult> joined = join_now(std::move(join_options));
    if (joined) {
        print(*joined, options.json);
        return done;
    }
    const int code = report(joined.error());
    const bool absent = joined.error().code == ErrorCode::unavailable ||
                        joined.error().code == ErrorCode::deadline_exceeded;
    return absent ? unreachable : code;
}

// --- transfer, remove -------------------------------------------------------------------------

int transfer(const ChangeOptions& options) {
    DaemonClient client(options.target, {server_socket});
    v1::TransferLeadershipRequest request;
    request.set_to(options.server);
    const auto moved = client.call<v1::TransferLeadershipResponse>(
        "/hawser.v1.Api/TransferLeadership", request, change_timeout);
    if (!moved) return client.report(moved.error());
    if (options.json) {
        print_json({{"leader", moved->leader()}});
    } else {
        print_line(moved->leader().empty() ? "the leader has stepped down"
                                           : "the leader is " + printable(moved->leader()));
    }
    return done;
}

int remove(const ChangeOptions& options) {
    DaemonClient client(options.target, {server_socket});
    v1::RemoveServerRequest request;
    request.set_name(options.server);
    const auto removed = client.call<v1::RemoveServerResponse>("/hawser.v1.Api/RemoveServer",
                                                               request, change_timeout);
    if (!removed) return client.report(removed.error());
    if (options.json) {
        print_json({{"server", options.server}, {"gone", removed->gone()}});
        return done;
    }
    print_line(removed->gone()
                   ? std::format("server '{}' is no member any more", options.server)
                   : std::format("server '{}' hands leadership over, then it is no member any "
                                 "more; see hawser members on another server",
                                 options.server));
    print_line("next: stop it, and move its data directory away: it still holds the keys of the");
    print_line("certificate authority, and with it there the server cannot join again");
    return done;
}

// --- recover ----------------------------------------------------------------------------------

std::vector<server::Recovery::Other> answering(const server::Recovery& plan) {
    std::vector<server::Recovery::Other> answering = plan.others;
    std::erase_if(answering, [](const auto& other) { return !other.answers_at; });
    return answering;
}

void say_who_answers(const server::Recovery& plan) {
    for (const server::Recovery::Other& other : plan.others) {
        print_line(std::format("Server '{}' {}.", other.name,
                               other.answers_at
                                   ? std::format("answers at {} now", other.answers_at->to_string())
                                   : "does not answer"));
    }
}

// A majority need not know that this server misses it.
Result<void> check_others_gone(const server::Recovery& plan, const RecoverOptions& options) {
    const std::vector<server::Recovery::Other> there = answering(plan);
    if (there.empty() || options.although_others_answer) return {};
    return fail(ErrorCode::failed_precondition,
                std::format("server '{}' answers at {} now: this would be a second cluster beside "
                            "it. Start this server again instead, or say "
                            "--although-others-answer",
                            there.front().name, there.front().answers_at->to_string()));
}

void explain(const server::Recovery& plan, const RecoverOptions& options) {
    say_who_answers(plan);
    print_line("");
    print_line(std::format("Server '{}' would go on alone, with the registry of {} as of index {}.",
                           plan.server, plan.trust_domain, plan.index));
    print_line("");
    print_line("Do this only when a majority of the servers is gone for good.");
    print_line(
        "  - Lost is what was written after that index on other servers, acknowledged or not.");
    print_line("  - The end of its log counts, whether the others had agreed on it or not.");
    for (const server::Recovery::Other& other : plan.others) {
        print_line(std::format(
            "  - Server '{}' is no member any more. It must never start with its data again.",
            other.name));
    }
    print_line("  - Further servers join anew: hawser token create --for-server NAME");
    print_line("  - Agents keep serving, and take this registry over when they reach it.");
    print_line("");
    const bool alone = answering(plan).empty();
    if (!alone) {
        print_line("Others answer, so it is refused: it would be a second cluster beside theirs.");
        print_line("Start this server again instead.");
    }
    print_line(std::format("{} a copy of the data directory first. To go on:",
                           alone ? "Make" : "If it must be, make"));
    print_line(std::format("  hawser server recover -c {} --confirm {}{}", options.config,
                           plan.trust_domain, alone ? "" : " --although-others-answer"));
}

nlohmann::json to_json(const server::Recovery& plan, bool did) {
    nlohmann::json others = nlohmann::json::array();
    nlohmann::json there = nlohmann::json::object();
    for (const server::Recovery::Other& other : plan.others) {
        others.push_back(other.name);
        if (other.answers_at) there[other.name] = other.answers_at->to_string();
    }
    return {{"done", did},
            {"trust_domain", plan.trust_domain},
            {"server", plan.server},
            {"others", std::move(others)},
            {"answering", std::move(there)},
            {"index", plan.index}};
}

int recover(const RecoverOptions& options) {
    const Result<config::ServerConfig> config = config::load_server_config(options.config);
    if (!config) return report_config(config.error());
    if (const Result<void> acting = host::act_as_owner(config->data_dir); !acting)
        return report(acting.error());
    const Result<server::Recovery> plan = server::plan_recovery(*config);
    if (!plan) return report(plan.error());
    const bool confirmed = options.confirm == plan->trust_domain;
    if (!options.confirm.empty() && !confirmed) {
        return report({ErrorCode::invalid, std::format("--confirm: this is the mesh '{}', not '{}'",
                                                       plan->trust_domain, options.confirm)});
    }
    if (confirmed) {
        if (const Result<void> gone = check_others_gone(*plan, options); !gone)
            return report(gone.error());
        const Result<server::Recovery> recovered = server::recover(*config);
        if (!recovered) return report(recovered.error());
    }
    if (options.json) {
        print_json(to_json(*plan, confirmed));
    } else if (confirmed) {
        say_who_answers(*plan);
        print_line(std::format("server '{}' is the only member now, at index {}; next: start it",
                               plan->server, plan->index));
    } else {
        explain(*plan, options);
    }
    return confirmed ? done : failed;
}

// --- the verbs --------------------------------------------------------------------------------

void add_config(CLI::App& verb, std::string& config) {
    verb.add_option("-c,--config", config, "server.toml")->type_name("FILE")->capture_default_str();
}

void add_join_verb(CLI::App& server, Action& chosen) {
    auto options = std::make_shared<JoinOptions>();
    CLI::App& verb = *server.add_subcommand("join", "Make this host a further server of a cluster");
    verb.add_option("TOKEN", options->token,
                    "from `hawser token create --for-server`; '-' reads it from stdin")
        ->required();
    verb.add_option("SERVER", options->servers, "ADDRESS:PORT of servers, instead of the token's");
    add_config(verb, options->config);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Once, before this server's first start. It gets the keys of the certificate authority:\n"
        "whoever has the token can get them, so hand it over as you would a private key.\n"
        "Example:\n  hawser token create --for-server s2 | ssh s2 sudo hawser server join -");
    on_chosen(verb, chosen, options, join);
}

void add_change_verb(CLI::App& server, Action& chosen, const std::string& name,
                     const std::string& about, const std::string& footer, bool required,
                     int (*run)(const ChangeOptions&)) {
    auto options = std::make_shared<ChangeOptions>();
    CLI::App& verb = *server.add_subcommand(name, about);
    verb.add_option("NAME", options->server, "its name, as `hawser members` shows it")
        ->required(required);
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(footer);
    on_chosen(verb, chosen, options, run);
}

void add_recover_verb(CLI::App& server, Action& chosen) {
    auto options = std::make_shared<RecoverOptions>();
    CLI::App& verb = *server.add_subcommand(
        "recover", "When most servers are gone for good: go on with this one alone");
    add_config(verb, options->config);
    verb.add_option("--confirm", options->confirm,
                    "the mesh's trust domain: without it, only says what would be lost")
        ->type_name("DOMAIN");
    verb.add_flag("--although-others-answer", options->although_others_answer,
                  "also while another server answers: makes a second cluster");
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Offline: the server must not be running. Of several that are left, take the one with the\n"
        "highest index; the others must never start with their old data again. Refused while\n"
        "another server answers. From a snapshot instead: hawser snapshot restore.\n"
        "Example:\n  sudo hawser server recover");
    on_chosen(verb, chosen, options, recover);
}

} // namespace

void add_server(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<RunOptions>();
    CLI::App& verb = *root.add_subcommand(
        "server", "Run a server: registry, certificate authority and control plane");
    add_config(verb, options->config);
    verb.footer(
        "Stops in good order at SIGTERM or SIGINT, without waiting for connections at the second.\n"
        "Example:\n  hawser server -c /etc/hawser/server.toml");
    verb.callback([&verb, &chosen, options] {
        if (verb.get_subcommands().empty()) chosen = [options] { return run(*options); };
    });
    add_join_verb(verb, chosen);
    add_change_verb(
        verb, chosen, "transfer", "Let another server lead",
        "Before maintenance of the one that leads; without NAME the best one takes over.\n"
        "Example:\n  hawser server transfer s2",
        false, transfer);
    add_change_verb(
        verb, chosen, "remove", "Take a server out of the cluster, for good",
        "Refused where it would leave no majority of running servers. The server itself is\n"
        "not stopped.\nExample:\n  hawser server remove s3",
        true, remove);
    add_recover_verb(verb, chosen);
}

} // namespace hawser::cmd
