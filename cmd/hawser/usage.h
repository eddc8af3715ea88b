// What happens when the command line cannot be carried out as it stands: help, or one line that
// says what is wrong, with the nearest word that would be right.
#pragma once

#include <CLI/App.hpp>

#include <string>
#include <vector>

namespace hawser::cmd {

// The same command in our words, for those used to other tools: --version, help COMMAND,
// -o json.
[[nodiscard]] std::vector<std::string> in_our_words(const CLI::App& root,
                                                    std::vector<std::string> words);

// The exit code: 0 after --help, otherwise 2.
int end_parsing(CLI::App& root, const CLI::ParseError& error,
                const std::vector<std::string>& words);

} // namespace hawser::cmd
