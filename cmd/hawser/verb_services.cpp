#include <nlohmann/json.hpp>

#include <format>

#include "base/bytes.h"
#include "catalog.h"
#include "console.h"
#include "model/identity.h"
#include "resource_json.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using model::EndpointView;
using model::ServiceView;
using nlohmann::json;

struct Options {
    TargetOptions target;
    std::string name;
    bool json = false;
};

json endpoint_json(const EndpointView& endpoint) {
    json value = to_json(endpoint.instance);
    value["alive"] = endpoint.node_alive;
    value["zone"] = endpoint.zone;
    value["quarantined"] = endpoint.quarantined;
    return value;
}

std::string labels_text(const model::Instance& instance) {
    std::string text;
    for (const auto& [key, value] : instance.labels) {
        text += std::format("{}{}={}", text.empty() ? "" : ",", key, value);
    }
    return text;
}

Tone tone_of(const EndpointView& endpoint) {
    return endpoint.usable() ? Tone::good : Tone::bad;
}

bool in_quarantine(const model::MeshSnapshot& mesh, const ServiceView& view) {
    return mesh.quarantine(model::IdentityKind::service, view.service.name) != nullptr;
}

json view_json(const model::MeshSnapshot& mesh, const ServiceView& view) {
    json value = to_json(view.service);
    value["instances"] = json::array();
    for (const EndpointView& endpoint : view.endpoints) {
        value["instances"].push_back(endpoint_json(endpoint));
        value["instances"].back()["usable"] = false;
    }
    for (const std::uint32_t at : view.usable) value["instances"][at]["usable"] = true;
    value["only_silent"] = view.only_silent;
    value["quarantined"] = in_quarantine(mesh, view);
    value["policies"] = json::array();
    for (const model::Policy& policy : view.policies) value["policies"].push_back(to_json(policy));
    return value;
}

std::string state_text(const EndpointView& endpoint) {
    if (endpoint.quarantined) return "quarantined";
    return endpoint.node_alive ? std::string(to_string(endpoint.instance.health)) : "node away";
}

void print_all(const model::MeshSnapshot& mesh) {
    TextTable table({"SERVICE", "PROTOCOL", "VIP", "USABLE", "POLICIES"});
    for (const ServiceView& view : mesh.services()) {
        const bool cut_off = in_quarantine(mesh, view);
        const std::string usable =
            std::format("{}/{}{}", view.usable.size(), view.endpoints.size(),
                        cut_off ? " quarantined" : (view.only_silent ? " silent" : ""));
        const bool bad = cut_off || view.usable.empty() || view.only_silent;
        const std::string vip =
            view.service.vip4.is_unspecified() ? "" : view.service.vip4.to_string();
        table.add({view.service.name,
                   std::string(to_string(view.service.protocol)),
                   vip,
                   {usable, bad ? Tone::bad : Tone::good},
                   std::to_string(view.policies.size())});
    }
    table.print();
}

void print_instances(const ServiceView& view) {
    TextTable table({"NODE", "PORT", "HEALTH", "WEIGHT", "ZONE", "LABELS", "REASON"});
    for (const EndpointView& endpoint : view.endpoints) {
        const model::Instance& instance = endpoint.instance;
        table.add({instance.node,
                   std::to_string(instance.port),
                   {state_text(endpoint), tone_of(endpoint)},
                   std::to_string(instance.weight),
                   endpoint.zone,
                   labels_text(instance),
                   instance.health_reason});
    }
    print_line("");
    table.print();
}

void print_policies(const ServiceView& view) {
    print_line("");
    for (const model::Policy& policy : view.policies) {
        std::string from;
        for (const std::string& source : policy.from) from += (from.empty() ? "" : ", ") + source;
        print_line(std::format("{} {} ({}{})", to_string(policy.action), from, policy.name,
                               policy.mode == model::PolicyMode::shadow ? ", shadow" : ""));
    }
    print_line(std::format("{} everybody else", to_string(view.service.default_policy)));
}

void print_one(const model::MeshSnapshot& mesh, const ServiceView& view) {
    const model::Service& service = view.service;
    print_line(std::format("{}: {}, {}, VIP {} {}", service.name, to_string(service.protocol),
                           to_string(service.balance), service.vip4.to_string(),
                           service.vip6.to_string()));
    if (in_quarantine(mesh, view)) print_line(toned("! in quarantine", Tone::bad));
    if (view.endpoints.empty()) print_line("no instances");
    if (view.only_silent) {
        print_line(
            toned("! every fit instance is on a node that is away: they are tried all the "
                  "same",
                  Tone::bad));
    }
    if (!view.endpoints.empty()) print_instances(view);
    print_policies(view);
}

int run(const Options& options) {
    if (!options.name.empty()) {
        if (auto checked = model::check_name(options.name, "service name"); !checked) {
            return report(checked.error());
        }
    }
    DaemonClient client(options.target, {server_socket, agent_socket});
    const Result<model::SnapshotPtr> mesh = get_mesh(client);
    if (!mesh) return client.report(mesh.error());
    if (options.name.empty()) {
        json all = json::array();
        for (const ServiceView& view : (*mesh)->services()) all.push_back(view_json(**mesh, view));
        options.json ? print_json(all) : print_all(**mesh);
        return done;
    }
    const ServiceView* view = (*mesh)->service(options.name);
    if (view == nullptr) {
        return report({ErrorCode::not_found, "there is no service " + quote(options.name)});
    }
    options.json ? print_json(view_json(**mesh, *view)) : print_one(**mesh, *view);
    return done;
}

} // namespace

void add_services(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "services", "Show the services of the mesh, or one with its instances and policies");
    verb.add_option("NAME", options->name, "one service");
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Asks the server of this host, or its agent for what the agent knows.\n"
        "Example:\n  hawser services api");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
