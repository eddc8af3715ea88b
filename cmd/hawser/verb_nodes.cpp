#include <nlohmann/json.hpp>

#include <set>
#include <string>

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

using Quarantined = std::set<std::string>; // by key: "node/web-1"

bool is_in(const Quarantined& quarantined, const model::Node& node) {
    return quarantined.contains(model::Quarantine{.subject = node.name}.key());
}

void print(const std::vector<model::Change>& rows, const Quarantined& quarantined) {
    TextTable table({"NODE", "STATE", "ZONE", "TUNNEL", "VERSION", "MAY SPEAK FOR", "JOINED"});
    for (const model::Change& row : rows) {
        const auto& node = std::get<model::Node>(*row.value);
        std::string state = node.alive ? "alive" : "away";
        if (is_in(quarantined, node)) state += ", quarantined";
        table.add({node.name,
                   {state, state == "alive" ? Tone::good : Tone::bad},
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
    const auto cut_off = get_rows(client, model::Kind::quarantine);
    if (!cut_off) return client.report(cut_off.error());
    Quarantined quarantined;
    for (const model::Change& row : *cut_off) quarantined.insert(row.key);
    if (!options.json) {
        print(*rows, quarantined);
        return done;
    }
    json all = json::array();
    for (const model::Change& row : *rows) {
        all.push_back(to_json(row));
        all.back()["quarantined"] = is_in(quarantined, std::get<model::Node>(*row.value));
    }
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
