// Resource files as one change, for the commands that take them with -f.
#pragma once

#include <CLI/App.hpp>

#include <string>
#include <vector>

#include "base/result.h"
#include "model/command.h"

namespace hawser::cmd {

void add_file_option(CLI::App& verb, std::vector<std::string>& files);

// All files together ("-" is stdin); every problem of every file in one failure.
[[nodiscard]] Result<model::ApplyResources> read_resources(const std::vector<std::string>& files);

// Kind and name of each resource.
[[nodiscard]] std::vector<model::Condition> conditions_on_all(
    const model::ApplyResources& resources, std::uint64_t index);

} // namespace hawser::cmd
