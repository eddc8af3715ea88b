// The verbs that run daemons: agent, dev. The server's is in verb_server.cpp.
#include "daemons.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    std::string config = "/etc/hawser/agent.toml";
};

int agent(const Options& options) {
    return run_agent(options.config);
}

} // namespace

void add_agent(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *root.add_subcommand("agent", "Run the agent of this host: the proxy of its services");
    verb.add_option("-c,--config", options->config, "agent.toml")
        ->type_name("FILE")
        ->capture_default_str();
    verb.footer(
        "Stops in good order at SIGTERM or SIGINT, without waiting for connections at the second.\n"
        "Example:\n  hawser agent -c /etc/hawser/agent.toml");
    on_chosen(verb, chosen, options, agent);
}

void add_dev(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<DevOptions>();
    CLI::App& verb = *root.add_subcommand(
        "dev", "Run a server and an agent in one process, to try things on this host");
    verb.add_option("--data-dir", options->data_dir,
                    "where everything is kept (default: a temporary folder, removed at the end)")
        ->type_name("DIR");
    verb.add_option("-c,--config", options->config, "an agent.toml with the services of this host")
        ->type_name("FILE");
    verb.add_option("--listen", options->listen, "where the server listens")
        ->type_name("ADDRESS:PORT")
        ->capture_default_str();
    verb.footer("Example:\n  hawser dev --data-dir /tmp/mesh -c agent.toml");
    on_chosen(verb, chosen, options, run_dev);
}

} // namespace hawser::cmd
