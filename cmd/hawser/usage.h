// What happens when the command line cannot be carried out as it stands: help, or one line that
// says what is wrong, with the nearest word that would be right.
#pragma once

#include <CLI/App.hpp>

#include <string>
#include <vector>

namespace hawser::cmd {

// The exit code: 0 after --help, otherwise 2.
int end_parsing(CLI::App& root, const CLI::ParseError& error,
                const std::vector<std::string>& words);

} // namespace hawser::cmd
