// Files named on the command line; "-" is stdin.
#pragma once

#include <string>

#include "base/result.h"

namespace hawser::cmd {

// Its text, at most one byte more than a configuration file may have.
[[nodiscard]] Result<std::string> read_input(const std::string& path);
// As messages name it.
[[nodiscard]] std::string input_name(const std::string& path);

} // namespace hawser::cmd
