#include <nlohmann/json.hpp>

#include "config/server_config.h"
#include "console.h"
#include "host/files.h"
#include "server/init.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    std::string config = "/etc/hawser/server.toml";
    std::string cert, key; // an operator's own authority, instead of what the configuration says
    bool json = false;
};

void print(const server::InitResult& made, bool as_json) {
    if (as_json) {
        print_json({{"trust_domain", made.trust_domain},
                    {"root_sha256", made.root_sha256},
                    {"data_dir", made.data_dir},
                    {"operator_token", made.operator_token}});
        return;
    }
    print_line("trust domain    " + made.trust_domain);
    print_line("root (sha256)   " + made.root_sha256);
    print_line("data directory  " + made.data_dir);
    print_line("operator token  " + made.operator_token);
    print_line("");
    print_line("Keep the operator token: it is not shown again, and only its hash is stored.");
}

int run(const Options& options) {
    Result<config::ServerConfig> config = config::load_server_config(options.config);
    if (!config) return report_config(config.error());
    if (options.cert.empty() != options.key.empty())
        return report({ErrorCode::invalid, "--ca-cert and --ca-key belong together"});
    if (!options.cert.empty()) {
        config->ca.cert_file = options.cert;
        config->ca.cert_key_file = options.key;
    }
    if (const Result<void> acting = host::act_as_owner(config->data_dir); !acting)
        return report(acting.error());
    const Result<server::InitResult> made = server::init(*config);
    if (!made) return report(made.error());
    print(*made, options.json);
    // Only what was seen may be forgotten.
    if (finish_output(done) != done) {
        return report({ErrorCode::resource_exhausted,
                       "the mesh is made, but its operator token was not shown: run init again"});
    }
    if (const Result<void> forgotten = server::token_shown(made->data_dir); !forgotten)
        return report(forgotten.error());
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
    verb.add_option("--ca-cert", options->cert,
                    "your own authority: a root, or an intermediate and its chain up to the root "
                    "(PEM)")
        ->type_name("FILE");
    verb.add_option("--ca-key", options->key, "the key of its first certificate (PEM)")
        ->type_name("FILE");
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Prints the operator token, once; if that fails, run it again. The server must not be "
        "running.\n"
        "Example:\n  sudo hawser init -c /etc/hawser/server.toml");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
