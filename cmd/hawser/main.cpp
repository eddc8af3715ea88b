// The command line's entry: finds the verb, and lets it run.
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "console.h"
#include "demo.h"
#include "log/log.h"
#include "usage.h"
#include "verbs.h"

namespace {

using namespace hawser;

// In the order of the help text.
constexpr std::array verbs{
    &cmd::add_server,  &cmd::add_agent,      &cmd::add_dev,       &cmd::add_demo,
    &cmd::add_init,    &cmd::add_token,      &cmd::add_operator,  &cmd::add_join,
    &cmd::add_apply,   &cmd::add_plan,       &cmd::add_get,       &cmd::add_delete,
    &cmd::add_history, &cmd::add_rollback,   &cmd::add_validate,  &cmd::add_services,
    &cmd::add_nodes,   &cmd::add_members,    &cmd::add_status,    &cmd::add_check,
    &cmd::add_cert,    &cmd::add_quarantine, &cmd::add_intercept, &cmd::add_snapshot,
    &cmd::add_ca,      &cmd::add_audit,      &cmd::add_version,
};

} // namespace

int main(int argc, char** argv) {
    log::configure(log::Level::warn, log::Format::text); // until a daemon reads its configuration
    std::vector<std::string> words(argv + 1, argv + argc);
    // The demo's own child processes: their words are not ours to parse.
    if (words.size() > 2 && words[0] == "demo" && words[1] == "--internal") {
        return cmd::run_demo({.internal = {words.begin() + 2, words.end()}});
    }

    CLI::App root("A service mesh for VMs and bare metal in one binary", "hawser");
    root.require_subcommand(1);
    root.footer(
        "Each command has more to say: hawser COMMAND --help\n"
        "Example:\n  hawser demo");
    cmd::Action chosen;
    for (const auto add : verbs) add(root, chosen);
    words = cmd::in_our_words(root, std::move(words));
    try {
        root.parse(std::vector<std::string>(words.rbegin(), words.rend())); // it takes from the end
    } catch (const CLI::ParseError& error) {
        return cmd::end_parsing(root, error, words);
    }
    return cmd::finish_output(chosen());
}
