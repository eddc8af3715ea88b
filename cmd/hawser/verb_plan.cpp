#include <nlohmann/json.hpp>

#include <format>

#include "console.h"
#include "daemon_client.h"
#include "difference.h"
#include "model/codec.h"
#include "model/proto/control.pb.h"
#include "resource_files.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    TargetOptions target;
    std::vector<std::string> files;
    bool json = false;
};

// The addresses of a new service are chosen when it is applied, not before.
void hide_addresses(ResourceDifference& difference) {
    if (!difference.before.is_null()) return;
    for (const char* field : {"vip4", "vip6"}) difference.after.erase(field);
}

void print_plan(const std::vector<ResourceDifference>& differences, std::uint32_t left_out) {
    print(differences, left_out);
    const std::size_t count = differences.size() + left_out;
    print_line(count == 0 ? "nothing changes"
                          : std::format("{} resource{} would change; nothing was applied", count,
                                        count == 1 ? "" : "s"));
}

int run(const Options& options) {
    const Result<model::ApplyResources> resources = read_resources(options.files);
    if (!resources) return report_config(resources.error());
    v1::PlanRequest request;
    *request.mutable_resources() = model::to_proto(*resources);
    DaemonClient client(options.target, {server_socket});
    const auto plan = client.call<v1::PlanResponse>("/hawser.v1.Api/Plan", request);
    if (!plan) return client.report(plan.error());
    auto differences = read_differences(plan->differences());
    if (!differences) return report(differences.error());
    for (ResourceDifference& difference : *differences) hide_addresses(difference);
    if (!options.json) {
        print_plan(*differences, plan->left_out());
        return done;
    }
    print_json({{"index", plan->index()},
                {"changes", to_json(*differences)},
                {"left_out", plan->left_out()}});
    return done;
}

} // namespace

void add_plan(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "plan", "Show what apply would change, field by field; change nothing");
    add_file_option(verb, options->files);
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer("Example:\n  hawser plan -f services.toml -f policies.toml");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
