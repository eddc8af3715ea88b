// The demo's own child processes (`hawser demo --internal ROLE ARGS…`), so that it needs nothing
// installed:
//   run UID|- PARENT|- PROGRAM ARGS…   becomes the program as that user; dies with the parent
//   echo PORT NAME                     an HTTP server that answers "hello from NAME"
//   load ADDRESS PORT HOST PATH COUNT  HTTP requests, each on a connection of its own; prints
//                                      the figures as one JSON object
#pragma once

#include <string>
#include <vector>

namespace hawser::cmd::demo {

// The exit code; 2 for anything it does not know.
[[nodiscard]] int run_role(const std::vector<std::string>& words);

} // namespace hawser::cmd::demo
