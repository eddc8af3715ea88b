// Runs a program to its end without blocking the loop: no shell, own process group, bounded time
// and output, no descriptors of ours. Used for nft and for exec checks. Control loop only.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/loop.h"

namespace hawser::host {

struct ProgramOptions {
    std::vector<std::string> arguments; // [0] is the program: a path, or a name looked up in PATH
    std::string input;                  // its standard input
    std::chrono::milliseconds timeout{5'000};
    std::size_t max_output = 4096; // the rest is read and dropped
    // Its ambient capabilities (what a service manager gives a daemon that is not root) are not
    // its children's, unless they work for it.
    bool keep_capabilities = false;
};
struct ProgramResult {
    int exit_code = -1; // -1: ended by a signal
    int signal = 0;
    bool timed_out = false; // then it was killed, with its process group
    std::string output;     // stdout and stderr as they came, at most max_output
};
// An error means that it could not be started, or that the task was cancelled (and the program
// killed).
[[nodiscard]] io::Task<Result<ProgramResult>> run_program(io::Executor executor,
                                                          ProgramOptions options);

} // namespace hawser::host
