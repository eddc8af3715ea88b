#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "catalog.h"
#include "console.h"
#include "enforced.h"
#include "model/identity.h"
#include "model/proto/control.pb.h"
#include "model/proto/quarantine.pb.h"
#include "resource_json.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using model::IdentityKind;
using nlohmann::json;

struct Options {
    TargetOptions target;
    std::string subject;
    std::string reason;
    bool off = false;
    bool wait = false;
    std::string timeout = "30s";
    bool json = false;
};

struct Subject {
    IdentityKind kind = IdentityKind::node;
    std::string name;
    bool known = true;

    [[nodiscard]] std::string key() const {
        return model::Quarantine{.subject_kind = kind, .subject = name}.key();
    }
};

// What the mesh has of that name.
Result<Subject> find_subject(DaemonClient& client, Subject wanted, bool kind_given) {
    const auto mesh = get_mesh(client);
    if (!mesh) return fail(mesh.error());
    const bool node = (*mesh)->node(wanted.name) != nullptr;
    const bool service = (*mesh)->service(wanted.name) != nullptr ||
                         std::ranges::any_of((*mesh)->nodes(), [&](const model::Node& each) {
                             return std::ranges::contains(each.allowed_services, wanted.name);
                         });
    if (kind_given) {
        wanted.known = wanted.kind == IdentityKind::node ? node : service;
        return wanted;
    }
    if (node && service)
        return fail(ErrorCode::invalid,
                    std::format("there are a node and a service '{0}': say node/{0} or svc/{0}",
                                wanted.name));
    if (!node && !service)
        return fail(ErrorCode::not_found,
                    std::format("there is no node and no service '{}'", wanted.name));
    wanted.kind = node ? IdentityKind::node : IdentityKind::service;
    return wanted;
}

// "node/web-1", "svc/api", "spiffe://…/svc/api", or a name that is only one of the two.
Result<Subject> read_subject(DaemonClient& client, const std::string& text) {
    Subject subject;
    bool kind_given = true;
    if (text.starts_with("spiffe://")) {
        auto identity = model::Identity::parse(text);
        if (!identity) return fail(std::move(identity.error()));
        if (identity->kind == IdentityKind::server)
            return fail(ErrorCode::invalid,
                        "a server cannot be put into quarantine; remove it: "
                        "hawser server remove");
        subject.kind = identity->kind;
        subject.name = std::move(identity->name);
    } else if (text.starts_with("node/")) {
        subject.name = text.substr(5);
    } else if (text.starts_with("svc/")) {
        subject.kind = IdentityKind::service;
        subject.name = text.substr(4);
    } else {
        subject.name = text;
        kind_given = false;
    }
    if (auto checked = model::check_name(subject.name, "name"); !checked)
        return fail(std::move(checked.error()));
    return find_subject(client, std::move(subject), kind_given);
}

int finish(DaemonClient& client, const Options& options, Duration timeout, std::uint64_t index,
           const std::string& key, const std::string& told) {
    json value = {{"subject", key}, {"index", index}};
    if (!options.json) print_line(std::format("{} (index {})", told, index));
    if (options.wait)
        return finish_waiting(client, index, timeout, "written", options.json, std::move(value));
    if (options.json) print_json(value);
    return done;
}

int list(const Options& options) {
    DaemonClient client(options.target, {server_socket, agent_socket});
    const auto rows = get_rows(client, model::Kind::quarantine);
    if (!rows) return client.report(rows.error());
    if (options.json) {
        json all = json::array();
        for (const model::Change& row : *rows) all.push_back(to_json(row));
        print_json(all);
        return done;
    }
    TextTable table({"SUBJECT", "SINCE", "BY", "REASON"});
    for (const model::Change& row : *rows) {
        const auto& quarantine = std::get<model::Quarantine>(*row.value);
        table.add(
            {{row.key, Tone::bad}, time_text(quarantine.since), quarantine.by, quarantine.reason});
    }
    table.print();
    return done;
}

int run(const Options& options) {
    if (options.subject.empty()) return list(options);
    const Result<Duration> timeout = parse_duration(options.timeout);
    if (!timeout) return report(timeout.error().context("--timeout"));
    DaemonClient client(options.target, {server_socket});
    const Result<Subject> subject = read_subject(client, options.subject);
    if (!subject) return client.report(subject.error());
    const std::string key = subject->key();
    if (options.off) {
        v1::DeleteRequest request;
        request.set_kind(std::string(to_string(model::Kind::quarantine)));
        request.set_name(key);
        const auto lifted = client.call<v1::DeleteResponse>("/hawser.v1.Api/Delete", request);
        if (!lifted) return client.report(lifted.error());
        return finish(client, options, *timeout, lifted->index(), key,
                      key + " is no longer in quarantine");
    }
    if (!subject->known)
        warn(std::format("the mesh knows no {} yet; it will be in quarantine when it comes", key));
    v1::QuarantineRequest request;
    request.set_subject_kind(subject->kind == IdentityKind::node ? v1::SUBJECT_KIND_NODE
                                                                 : v1::SUBJECT_KIND_SERVICE);
    request.set_subject(subject->name);
    request.set_reason(options.reason);
    const auto put = client.call<v1::QuarantineResponse>("/hawser.v1.Api/Quarantine", request);
    if (!put) return client.report(put.error());
    return finish(client, options, *timeout, put->index(), key, key + " is in quarantine");
}

} // namespace

void add_quarantine(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "quarantine", "Cut a node or a service off from the mesh, open connections included");
    verb.add_option("SUBJECT", options->subject,
                    "node/NAME, svc/NAME, a SPIFFE id, or a name that only one of them has;\n"
                    "without it: who is in quarantine");
    verb.add_option("--reason", options->reason, "for whoever wonders later")->type_name("TEXT");
    verb.add_flag("--off", options->off, "end it")->excludes("--reason");
    verb.add_flag("--wait", options->wait,
                  "return when every agent enforces it, or name those that do not");
    verb.add_option("--timeout", options->timeout, "with --wait: how long")
        ->type_name("DURATION")
        ->capture_default_str();
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Every agent closes what is open and refuses what is new; servers issue no certificates.\n"
        "A node's own agent carries nothing either, but hears of the end of it.\n"
        "Examples:\n  hawser quarantine web-1 --reason \"broken into\" --wait\n"
        "  hawser quarantine web-1 --off");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
