// The verbs of the command line. Each declares its options on the root, and puts what it does
// into `chosen` when it is the one that was called. A new verb: a file verb_<name>.cpp, its
// declaration here, its line in main.cpp's table.
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <functional>
#include <memory>

namespace hawser::cmd {

// Returns the exit code.
using Action = std::function<int()>;

void add_agent(CLI::App& root, Action& chosen);
void add_apply(CLI::App& root, Action& chosen);
void add_audit(CLI::App& root, Action& chosen);
void add_ca(CLI::App& root, Action& chosen);
void add_cert(CLI::App& root, Action& chosen);
void add_check(CLI::App& root, Action& chosen);
void add_delete(CLI::App& root, Action& chosen);
void add_demo(CLI::App& root, Action& chosen);
void add_dev(CLI::App& root, Action& chosen);
void add_get(CLI::App& root, Action& chosen);
void add_history(CLI::App& root, Action& chosen);
void add_init(CLI::App& root, Action& chosen);
void add_intercept(CLI::App& root, Action& chosen);
void add_join(CLI::App& root, Action& chosen);
void add_members(CLI::App& root, Action& chosen);
void add_nodes(CLI::App& root, Action& chosen);
void add_operator(CLI::App& root, Action& chosen);
void add_plan(CLI::App& root, Action& chosen);
void add_quarantine(CLI::App& root, Action& chosen);
void add_rollback(CLI::App& root, Action& chosen);
void add_server(CLI::App& root, Action& chosen);
void add_services(CLI::App& root, Action& chosen);
void add_snapshot(CLI::App& root, Action& chosen);
void add_status(CLI::App& root, Action& chosen);
void add_token(CLI::App& root, Action& chosen);
void add_validate(CLI::App& root, Action& chosen);
void add_version(CLI::App& root, Action& chosen);

// A verb's options live as long as its action: the callback copies the pointer.
template <typename Options>
void on_chosen(CLI::App& verb, Action& chosen, std::shared_ptr<Options> options,
               int (*run)(const Options&)) {
    verb.callback([&chosen, options = std::move(options), run] {
        chosen = [options, run] { return run(*options); };
    });
}

} // namespace hawser::cmd
