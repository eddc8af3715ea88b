// `hawser demo`: a whole mesh on this machine, told as a story in a dozen steps. Every step is an
// observation (a request that came back, bytes seen on the wire), never an announcement.
#pragma once

#include <string>
#include <vector>

namespace hawser::cmd {

struct DemoOptions {
    bool keep = false;     // leave it up, and print how to look around and how to remove it
    bool remove = false;   // only remove what earlier demos left, those of --keep too
    bool no_color = false; // also when stdout is no terminal, or NO_COLOR is set
    bool loopback = false; // tell it on loopback even where namespaces could be made
    // Not for users (`--internal ROLE ARGS…`, hidden): the demo's own child processes, e.g.
    // {"echo", "8080", "one"}. See demo_roles.h.
    std::vector<std::string> internal;
};

// The exit code: 0 only if every step really held.
[[nodiscard]] int run_demo(const DemoOptions& options);

} // namespace hawser::cmd
