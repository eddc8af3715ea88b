#include <nlohmann/json.hpp>

#include "catalog.h"
#include "console.h"
#include "resource_json.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    bool json = false;
};

std::string services_text(const model::Node& node) {
    std::string text;
    for (const std::string& name : node.allowed_services) text += (text.empty() ? "" : ", ") + name;
    return text;
}

void print(const std::vector<model::Change>& rows) {
    TextTable table({"NODE", "STATE", "ZONE", "TUNNEL", "VERSION", "MAY SPEAK FOR", "JOINED"});
    for (const model::Change& row : rows) {
        const auto& node = std::get<model::Node>(*row.value);
        table.add({node.name,
                   {node.alive ? "alive" : "away", node.alive ? Tone::good : Tone::bad},
                   node.zone,
                   node.tunnel.port == 0 ? "" : node.tunnel.to_string(),
                   node.version,
                   services_text(node),
                   time_text(node.joined_at)});
    }
    table.print();
}

int run(const Options& options) {
    DaemonClient client(options.target, {server_socket, agent_socket});
    const auto rows = get_rows(client, model::Kind::node);
    if (!rows) return client.report(rows.error());
    if (!options.json) {
        print(*rows);
        return done;
    }
    json all = json::array();
    for (const model::Change& row : *rows) all.push_back(to_json(row));
    print_json(all);
    return done;
}

} // namespace

void add_nodes(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand("nodes", "Show the hosts of the mesh");
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer("Example:\n  hawser nodes");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
