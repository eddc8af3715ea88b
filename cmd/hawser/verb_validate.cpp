#include "config/agent_config.h"
#include "config/config_file.h"
#include "config/resource_file.h"
#include "config/server_config.h"
#include "console.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    std::vector<std::string> files;
};

// What it is, for the line that says it is valid.
Result<std::string_view> validate(const std::string& text, const std::string& path) {
    const Result<config::FileKind> kind = config::detect_file_kind(text, path);
    if (!kind) return fail(kind.error());
    switch (*kind) {
        case config::FileKind::agent:
            return config::parse_agent_config(text, path).transform([](const auto&) {
                return "agent configuration";
            });
        case config::FileKind::server:
            return config::parse_server_config(text, path).transform([](const auto&) {
                return "server configuration";
            });
        case config::FileKind::resources: break;
    }
    return config::parse_resources(text, path).transform([](const auto&) { return "resources"; });
}

int run(const Options& options) {
    int code = done;
    for (const std::string& path : options.files) {
        const Result<std::string> text = config::read_config_file(path);
        if (!text) {
            code = report_config(text.error());
        } else if (const auto valid = validate(*text, path); !valid) {
            code = report_config(valid.error());
        } else {
            print_line(path + ": valid " + std::string(*valid));
        }
    }
    return code;
}

} // namespace

void add_validate(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *root.add_subcommand("validate", "Check configuration and resource files, offline");
    verb.add_option("FILE", options->files, "what kind each is shows in its keys")->required();
    verb.footer("Example:\n  hawser validate /etc/hawser/agent.toml services.toml");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
