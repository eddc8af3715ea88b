#include <nlohmann/json.hpp>

#include <format>

#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "difference.h"
#include "model/proto/control.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    std::string kind;
    std::string name;
    std::uint32_t limit = 50;
    bool json = false;
};

// An entry with what it says of its resource; tokens say nothing.
struct Entry {
    v1::HistoryEntry message;
    ResourceDifference difference;

    [[nodiscard]] std::string_view verb() const {
        return model::to_string(static_cast<model::Verb>(message.verb()));
    }
};

Result<std::vector<Entry>> read_entries(const v1::HistoryResponse& response) {
    std::vector<Entry> entries;
    for (const v1::HistoryEntry& message : response.entries()) {
        if (message.kind() > static_cast<std::uint32_t>(model::last_kind)) {
            return fail(ErrorCode::corrupt, "the answer names a kind this version does not know");
        }
        Result<ResourceDifference> difference =
            read_difference(static_cast<model::Kind>(message.kind()), message.key(),
                            message.before(), message.after());
        if (!difference) return fail(std::move(difference.error()));
        entries.push_back({.message = message, .difference = std::move(*difference)});
    }
    return entries;
}

json entry_json(const Entry& entry) {
    json value = to_json(entry.difference);
    value["change"] = entry.verb();
    value["index"] = entry.message.index();
    value["time"] = time_json(entry.message.at_ms());
    value["actor"] = entry.message.actor();
    value["source"] = entry.message.source().empty() ? json() : json(entry.message.source());
    value["before"] = entry.difference.before;
    value["after"] = entry.difference.after;
    return value;
}

std::string change_text(const Entry& entry) {
    return std::format("{}/{} {}", model::to_string(entry.difference.kind),
                       printable(entry.difference.key, 200), entry.verb());
}

void print_table(const std::vector<Entry>& entries) {
    TextTable table({"INDEX", "TIME", "WHO", "FROM", "CHANGE"});
    for (const Entry& entry : entries) {
        table.add({std::to_string(entry.message.index()), time_text(entry.message.at_ms()),
                   printable(entry.message.actor()), printable(entry.message.source()),
                   change_text(entry)});
    }
    table.print();
}

// Of one resource there is room for what changed in it.
void print_story(const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
        const std::string from =
            entry.message.source().empty() ? "" : " from " + printable(entry.message.source());
        print_line(std::format("{}  {}  {} by {}{}", entry.message.index(),
                               time_text(entry.message.at_ms()), entry.verb(),
                               printable(entry.message.actor()), from));
        print_fields(entry.difference);
    }
}

int run(const Options& options) {
    v1::HistoryRequest request;
    request.set_kind(options.kind);
    request.set_name(options.name);
    request.set_limit(options.limit);
    DaemonClient client(options.target, {server_socket});
    const auto response = client.call<v1::HistoryResponse>("/hawser.v1.Api/History", request);
    if (!response) return client.report(response.error());
    const auto entries = read_entries(*response);
    if (!entries) return report(entries.error());
    if (options.json) {
        json all = json::array();
        for (const Entry& entry : *entries) all.push_back(entry_json(entry));
        print_json({{"index", response->index()},
                    {"complete_since", response->complete_since()},
                    {"entries", std::move(all)}});
        return done;
    }
    options.name.empty() ? print_table(*entries) : print_story(*entries);
    if (entries->empty()) print_line("no change is remembered");
    if (response->complete_since() != 0) {
        print_line(std::format("history is complete since index {}", response->complete_since()));
    }
    return done;
}

} // namespace

void add_history(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *root.add_subcommand("history", "Show what changed, when, by whom and from where");
    verb.add_option("KIND", options->kind,
                    "only this kind; nodes and instances are shown only when asked for");
    verb.add_option("NAME", options->name, "only this one, with what changed in it");
    verb.add_option("--limit", options->limit, "how many changes, the newest first")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer("Example:\n  hawser history policy web-calls-api");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
