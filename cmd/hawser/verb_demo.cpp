#include "demo.h"
#include "verbs.h"

namespace hawser::cmd {

void add_demo(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<DemoOptions>();
    CLI::App& verb = *root.add_subcommand(
        "demo", "Build a complete mesh on this machine, show that it works, remove it");
    verb.add_flag("--keep", options->keep,
                  "leave it up, and say how to look around and how to remove it");
    verb.add_flag("--remove", options->remove, "only remove what earlier demos left");
    verb.add_flag("--loopback", options->loopback, "without network namespaces, in explicit mode");
    verb.add_flag("--no-color", options->no_color, "plain text");
    verb.footer(
        "With root it uses network namespaces as hosts, otherwise ports of 127.0.0.1.\n"
        "Example:\n  sudo hawser demo");
    on_chosen(verb, chosen, options, run_demo);
}

} // namespace hawser::cmd
