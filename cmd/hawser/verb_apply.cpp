#include <nlohmann/json.hpp>

#include <format>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "catalog.h"
#include "console.h"
#include "enforced.h"
#include "model/codec.h"
#include "model/proto/control.pb.h"
#include "policy_names.h"
#include "resource_files.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    std::vector<std::string> files;
    bool wait = false;
    bool dry_run = false;
    bool create_only = false;
    std::uint64_t if_index = 0;
    std::string timeout = "30s";
    bool json = false;
};

// What must hold for the apply to be carried out.
Result<void> set_conditions(const Options& options, model::ApplyResources& resources) {
    if (options.if_index == 0 && !options.create_only) return {};
    resources.conditions = conditions_on_all(resources, options.if_index);
    if (options.create_only || resources.conditions.size() == 1) return {};
    return fail(ErrorCode::invalid, std::format("--if-index is for one resource; the files hold {}",
                                                resources.conditions.size()));
}

void print_changes(const v1::ApplyResponse& applied, bool dry_run) {
    for (const std::string& line : applied.changed()) print_line(printable(line, 200));
    if (applied.changed().empty()) print_line("nothing changes");
    if (dry_run) print_line("dry run: nothing was applied");
    if (!dry_run) print_line(std::format("index {}", applied.index()));
}

// The names in the policies that nobody in the mesh has. Only advice: without an answer, none.
std::vector<std::string> warnings_of(DaemonClient& client, const model::ApplyResources& resources) {
    if (resources.policies.empty()) return {};
    const auto services = get_rows(client, model::Kind::service);
    const auto nodes = get_rows(client, model::Kind::node);
    if (!services || !nodes) return {};
    KnownNames known;
    for (const model::Change& row : *services) known.services.insert(row.key);
    for (const model::Service& service : resources.services) known.services.insert(service.name);
    known.callers = known.services;
    for (const model::Change& row : *nodes) {
        const auto& node = std::get<model::Node>(*row.value);
        known.callers.insert(node.allowed_services.begin(), node.allowed_services.end());
    }
    std::vector<std::string> warnings;
    for (const UnknownName& unknown : unknown_names(resources.policies, known))
        warnings.push_back(unknown.text());
    return warnings;
}

int run(const Options& options) {
    const Result<Duration> timeout = parse_duration(options.timeout);
    if (!timeout) return report(timeout.error().context("--timeout"));
    Result<model::ApplyResources> resources = read_resources(options.files);
    if (!resources) return report_config(resources.error());
    if (Result<void> set = set_conditions(options, *resources); !set) return report(set.error());

    v1::ApplyRequest request;
    *request.mutable_resources() = model::to_proto(*resources);
    request.set_dry_run(options.dry_run);
    DaemonClient client(options.target, {server_socket});
    const auto applied = client.call<v1::ApplyResponse>("/hawser.v1.Api/Apply", request);
    if (!applied) return client.report(applied.error());
    const std::vector<std::string> warnings = warnings_of(client, *resources);
    for (const std::string& warning : warnings) warn(warning);
    json value = {
        {"index", applied->index()},
        {"changed", std::vector<std::string>(applied->changed().begin(), applied->changed().end())},
        {"dry_run", options.dry_run},
        {"warnings", warnings}};
    if (!options.json) print_changes(*applied, options.dry_run);
    if (!options.wait || options.dry_run) {
        if (options.json) print_json(value);
        return done;
    }

    return finish_waiting(client, applied->index(), *timeout, "applied", options.json, value);
}

} // namespace

void add_apply(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "apply", "Create or change services and policies, all at once or not at all");
    add_file_option(verb, options->files);
    verb.add_flag("--wait", options->wait,
                  "return when every agent enforces it, or name those that do not");
    verb.add_option("--timeout", options->timeout, "with --wait: how long")
        ->type_name("DURATION")
        ->capture_default_str();
    verb.add_flag("--dry-run", options->dry_run, "only say what would change");
    verb.add_flag("--create-only", options->create_only, "fail if one of them exists already");
    verb.add_option("--if-index", options->if_index,
                    "fail unless the one resource was last changed at this index")
        ->type_name("INDEX")
        ->check(CLI::PositiveNumber)
        ->excludes("--create-only");
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer("Example:\n  hawser apply -f services.toml -f policies.toml --wait");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
