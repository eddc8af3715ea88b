#include <nlohmann/json.hpp>

#include <format>

#include "console.h"
#include "daemon_client.h"
#include "difference.h"
#include "model/proto/control.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    TargetOptions target;
    std::uint64_t index = 0;
    bool dry_run = false;
    bool json = false;
};

void print_outcome(const Options& options, const v1::RollbackResponse& response,
                   const std::vector<ResourceDifference>& differences) {
    print(differences, response.left_out());
    if (differences.empty()) {
        print_line(
            std::format("nothing changes: resources are as they were at index {}", options.index));
    } else if (options.dry_run) {
        print_line("dry run: nothing was rolled back");
    } else {
        print_line(std::format("as at index {}, since index {}", options.index, response.index()));
    }
}

int run(const Options& options) {
    v1::RollbackRequest request;
    request.set_index(options.index);
    request.set_dry_run(options.dry_run);
    DaemonClient client(options.target, {server_socket});
    const auto response = client.call<v1::RollbackResponse>("/hawser.v1.Api/Rollback", request);
    if (!response) return client.report(response.error());
    const auto differences = read_differences(response->differences());
    if (!differences) return report(differences.error());
    if (!options.json) {
        print_outcome(options, *response, *differences);
        return done;
    }
    print_json({{"index", response->index()},
                {"dry_run", options.dry_run},
                {"changes", to_json(*differences)},
                {"left_out", response->left_out()}});
    return done;
}

} // namespace

void add_rollback(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "rollback", "Make services and policies what they were, as a new change");
    verb.add_option("INDEX", options->index, "as they were right after it; see hawser history")
        ->required();
    verb.add_flag("--dry-run", options->dry_run, "only say what would change");
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Nodes, tokens and certificates stay as they are. Refused when history no longer\n"
        "reaches back that far.\n"
        "Example:\n  hawser rollback 4711 --dry-run");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
