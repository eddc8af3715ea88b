#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "config/agent_config.h"
#include "config/config_file.h"
#include "config/resource_file.h"
#include "config/server_config.h"
#include "console.h"
#include "input.h"
#include "policy_names.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    std::vector<std::string> files;
};

// What the files say together. Services and callers that none of them names may well be known to
// the mesh, so only what looks like a slip of a name in them is worth a warning.
class Files {
  public:
    // A file, "-", or the *.toml of a folder.
    void check(const std::string& path) {
        std::error_code error;
        if (!std::filesystem::is_directory(path, error)) return check_file(path);
        const auto files = config::list_config_files(
            path.ends_with('/') ? path.substr(0, path.find_last_not_of('/') + 1) : path);
        if (!files) return fail_with(files.error());
        if (files->empty()) return fail_with({ErrorCode::invalid, path + ": holds no *.toml"});
        for (const std::string& file : *files) check_file(file);
    }
    int finish() const {
        for (const UnknownName& unknown : unknown_names(policies_, known_))
            if (!unknown.nearest.empty()) warn(unknown.text());
        return code_;
    }

  private:
    void check_file(const std::string& path) {
        const Result<std::string> text = read_input(path);
        if (!text) return fail_with(text.error());
        const std::string name = input_name(path);
        const Result<std::string_view> kind = read(*text, name);
        if (!kind) return fail_with(kind.error());
        print_line(name + ": valid " + std::string(*kind));
    }
    void fail_with(const Error& error) { code_ = report_config(error); }

    // What it is, for the line that says it is valid.
    Result<std::string_view> read(const std::string& text, const std::string& name) {
        const Result<config::FileKind> kind = config::detect_file_kind(text, name);
        if (!kind) return fail(kind.error());
        switch (*kind) {
            case config::FileKind::agent: return read_agent(text, name);
            case config::FileKind::server:
                return config::parse_server_config(text, name).transform([](const auto&) {
                    return std::string_view("server configuration");
                });
            case config::FileKind::resources: break;
        }
        return read_resources(text, name);
    }
    Result<std::string_view> read_agent(const std::string& text, const std::string& name) {
        const auto config = config::parse_agent_config(text, name);
        if (!config) return fail(config.error());
        for (const config::ServiceConfig& service : config->services) know(service.name);
        return "agent configuration";
    }
    Result<std::string_view> read_resources(const std::string& text, const std::string& name) {
        auto resources = config::parse_resources(text, name);
        if (!resources) return fail(std::move(resources.error()));
        for (const model::Service& service : resources->services) know(service.name);
        for (model::Policy& policy : resources->policies) policies_.push_back(std::move(policy));
        return "resources";
    }
    void know(const std::string& service) {
        known_.services.insert(service);
        known_.callers.insert(service);
    }

    KnownNames known_;
    std::vector<model::Policy> policies_;
    int code_ = done;
};

int run(const Options& options) {
    Files files;
    for (const std::string& path : options.files) files.check(path);
    return files.finish();
}

} // namespace

void add_validate(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *root.add_subcommand("validate", "Check configuration and resource files, offline");
    verb.add_option("FILE", options->files,
                    "what kind each is shows in its keys; '-' is stdin, a folder its *.toml")
        ->required();
    verb.footer("Example:\n  hawser validate /etc/hawser/agent.toml services.toml");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
