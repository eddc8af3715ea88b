// The composition roots: what `hawser server`, `agent` and `dev` run until a signal stops them.
// Each returns the process's exit code.
#pragma once

#include <string>

namespace hawser::cmd {

[[nodiscard]] int run_server(const std::string& config_file);
[[nodiscard]] int run_agent(const std::string& config_file);

struct DevOptions {
    std::string data_dir;     // empty: a temporary folder, removed at the end
    std::string agent_config; // [[service]] tables and the like; empty: none
};
[[nodiscard]] int run_dev(const DevOptions& options);

} // namespace hawser::cmd
