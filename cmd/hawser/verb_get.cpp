#include <charconv>
#include <format>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "catalog.h"
#include "config/resource_file.h"
#include "console.h"
#include "resource_json.h"
#include "resource_table.h"
#include "verbs.h"
#include "watch_rows.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    std::string kind;
    std::string name;
    bool watch = false;
    std::uint64_t from = 0;
    std::string epoch;
    bool stale = false;
    bool json = false;
};

Result<std::vector<model::Change>> read_rows(DaemonClient& client, model::Kind kind,
                                             const Options& options) {
    if (!options.stale) return get_rows(client, kind, options.name);
    Result<StaleRows> stale = get_stale_rows(client, kind, options.name);
    if (!stale) return fail(std::move(stale.error()));
    warn(stale->age ? std::format("stale: at most {} ms old", stale->age->count())
                    : "stale: how old, this daemon cannot tell");
    return std::move(stale->rows);
}

// As it could be applied again, for what can be applied; otherwise as JSON.
void print_one(const model::Change& row) {
    if (const auto* service = std::get_if<model::Service>(row.value.get())) {
        return print_line(config::to_toml(*service));
    }
    if (const auto* policy = std::get_if<model::Policy>(row.value.get())) {
        return print_line(config::to_toml(*policy));
    }
    print_json(to_json(row));
}

// 16 hex digits, as --json shows it; nothing: 0.
Result<std::uint64_t> parse_epoch(const std::string& text) {
    std::uint64_t epoch = 0;
    const char* end = text.data() + text.size();
    const auto [read_to, error] = std::from_chars(text.data(), end, epoch, 16);
    if (text.empty() || (error == std::errc() && read_to == end && text.size() <= 16)) return epoch;
    return fail(ErrorCode::invalid, "--epoch takes the epoch that --json shows beside the index");
}

int run(const Options& options) {
    const Result<model::Kind> kind = model::parse_kind(options.kind);
    if (!kind) return report(kind.error());
    if (!model::visible_to_agents(*kind)) {
        return report(
            {ErrorCode::invalid,
             "tokens and history have commands of their own: hawser token list, hawser history"});
    }
    if (options.watch) {
        const Result<std::uint64_t> epoch = parse_epoch(options.epoch);
        if (!epoch) return report(epoch.error());
        DaemonClient server(options.target, {server_socket});
        return watch_rows(server, {.kind = *kind,
                                   .name = options.name,
                                   .from = options.from,
                                   .epoch = *epoch,
                                   .json = options.json});
    }
    DaemonClient client(options.target, {server_socket, agent_socket});
    const auto rows = read_rows(client, *kind, options);
    if (!rows) return client.report(rows.error());
    if (!options.name.empty() && rows->size() == 1) {
        options.json ? print_json(to_json(rows->front())) : print_one(rows->front());
    } else if (options.json) {
        json all = json::array();
        for (const model::Change& row : *rows) all.push_back(to_json(row));
        print_json(all);
    } else {
        table_of(*rows).print();
    }
    return done;
}

} // namespace

void add_get(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand("get", "Print resources as the registry holds them");
    verb.add_option("KIND", options->kind,
                    "service, policy, node, instance, server or trust_domain")
        ->required();
    verb.add_option("NAME", options->name,
                    "one of them; services and policies are printed as TOML");
    CLI::Option& watch = *verb.add_flag(
        "--watch", options->watch,
        "go on with every change, a line each; ends when a change can no longer be told");
    CLI::Option& from = *verb.add_option("--from", options->from,
                                         "with --watch: only what changed after this index")
                             ->type_name("INDEX")
                             ->needs(&watch);
    verb.add_option("--epoch", options->epoch,
                    "with --from: the epoch that came with the index; ends at once if the registry "
                    "was restored or recovered since")
        ->type_name("EPOCH")
        ->needs(&from);
    verb.add_flag("--stale", options->stale,
                  "what this server has, also while no server leads; says how old it may be")
        ->excludes(&watch);
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "The table shows what matters at a glance; -o json (or --json) shows all of it.\n"
        "Example:\n  hawser get policy web-calls-api > policy.toml");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
