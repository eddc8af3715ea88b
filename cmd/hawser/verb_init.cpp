#include <nlohmann/json.hpp>

#include "config/server_config.h"
#include "console.h"
#include "server/init.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    std::string config = "/etc/hawser/server.toml";
    bool json = false;
};

int run(const Options& options) {
    const Result<config::ServerConfig> config = config::load_server_config(options.config);
    if (!config) return report_config(config.error());
    const Result<server::InitResult> made = server::init(*config);
    if (!made) return report(made.error());
    if (options.json) {
        print_json({{"trust_domain", made->trust_domain},
                    {"root_sha256", made->root_sha256},
                    {"data_dir", made->data_dir},
                    {"operator_token", made->operator_token}});
        return done;
    }
    print_line("trust domain    " + made->trust_domain);
    print_line("root (sha256)   " + made->root_sha256);
    print_line("data directory  " + made->data_dir);
    print_line("operator token  " + made->operator_token);
    print_line("");
    print_line("Keep the operator token: it is not shown again, and only its hash is stored.");
    return done;
}

} // namespace

void add_init(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "init", "On the first server: create the trust domain and its certificate authority");
    verb.add_option("-c,--config", options->config, "server.toml")
        ->type_name("FILE")
        ->capture_default_str();
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Prints the operator token, once. The server must not be running.\n"
        "Example:\n  sudo -u hawser hawser init -c /etc/hawser/server.toml");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
