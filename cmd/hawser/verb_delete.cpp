#include <nlohmann/json.hpp>

#include <format>

#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "model/identity.h"
#include "model/proto/control.pb.h"
#include "model/row.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    TargetOptions target;
    std::string kind;
    std::string name;
    std::uint64_t if_index = 0;
    bool json = false;
};

Result<model::Kind> deletable_kind(const std::string& text) {
    Result<model::Kind> kind = model::parse_kind(text);
    if (!kind) return kind;
    if (*kind == model::Kind::service || *kind == model::Kind::policy ||
        *kind == model::Kind::node) {
        return kind;
    }
    return fail(ErrorCode::invalid, "only services, policies and nodes can be deleted");
}

int run(const Options& options) {
    const Result<model::Kind> kind = deletable_kind(options.kind);
    if (!kind) return report(kind.error());
    const std::string word(to_string(*kind));
    if (auto checked = model::check_name(options.name, word + " name"); !checked) {
        return report(checked.error());
    }
    v1::DeleteRequest request;
    request.set_kind(word);
    request.set_name(options.name);
    request.set_if_index(options.if_index);
    DaemonClient client(options.target, {server_socket});
    const auto deleted = client.call<v1::DeleteResponse>("/hawser.v1.Api/Delete", request);
    if (!deleted) return client.report(deleted.error());
    if (options.json) {
        print_json({{"index", deleted->index()}});
    } else {
        print_line(std::format("{}/{} deleted (index {})", word, options.name, deleted->index()));
    }
    return done;
}

} // namespace

void add_delete(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand("delete", "Delete a service, a policy or a node");
    verb.add_option("KIND", options->kind, "service, policy or node")->required();
    verb.add_option("NAME", options->name, "which one")->required();
    verb.add_option("--if-index", options->if_index,
                    "fail unless it was last changed at this index")
        ->type_name("INDEX")
        ->check(CLI::PositiveNumber);
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "A deleted node is refused by the servers and by all agents from then on; its open\n"
        "connections are closed.\n"
        "Example:\n  hawser delete policy web-calls-api");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
