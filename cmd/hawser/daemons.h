// The composition roots: each puts a program together from its parts, runs it until it is told to
// stop, and returns the exit code.
#pragma once

#include <string>

namespace hawser::cmd {

int run_server(const std::string& config_file);
int run_agent(const std::string& config_file);

struct DevOptions {
    std::string data_dir; // empty: a temporary folder, removed at the end
    std::string config;   // agent.toml with this host's services; empty: none
    std::string listen = "127.0.0.1:7443";
};
int run_dev(const DevOptions& options);

} // namespace hawser::cmd
