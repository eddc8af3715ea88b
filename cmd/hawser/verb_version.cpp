#include <nlohmann/json.hpp>

#include "build_info.h"
#include "console.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    bool json = false;
};

int run(const Options& options) {
    if (options.json) {
        print_json(
            {{"version", build_version}, {"commit", build_commit}, {"libraries", build_libraries}});
    } else {
        print_line(std::string("hawser ") + build_version + " (" + build_commit + ")");
        print_line(build_libraries);
    }
    return done;
}

} // namespace

void add_version(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "version", "Print the version of this binary and of what it is built from");
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer("Example:\n  hawser version");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
