// agent.toml and services.d/*.toml as values. Defaults are the members' initialisers; where each
// is read, and its key, stands once in agent_config.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/units.h"

namespace hawser::config {

enum class CheckKind : std::uint8_t { http, tcp, exec };

struct CheckConfig {
    CheckKind kind = CheckKind::tcp;
    std::string http_path;            // http
    std::vector<std::string> command; // exec: argv, no shell
    Duration interval{10'000};
    Duration timeout{2'000};
    std::uint32_t critical_after = 1; // consecutive failures
    std::uint32_t passing_after = 1;  // consecutive successes

    bool operator==(const CheckConfig&) const = default;
};

struct UpstreamConfig {
    std::string service;
    Endpoint listen;
    std::string place; // "FILE:LINE:COLUMN", for what only the running agent finds wrong

    bool operator==(const UpstreamConfig&) const = default;
};

struct ServiceConfig {
    std::string name;
    std::uint16_t port = 0;          // 0: calls others but offers nothing itself
    IpAddress address;               // where the agent dials it; default 127.0.0.1
    std::optional<std::string> user; // who may speak as it: name or uid
    std::string user_place;          // as above
    std::string file;                // that it stands in
    std::map<std::string, std::string> labels;
    std::uint32_t weight = 1;
    std::vector<CheckConfig> checks; // with a port and no key `check`: one, tcp
    std::vector<UpstreamConfig> upstreams;

    bool operator==(const ServiceConfig&) const = default;
};

enum class InterceptMode : std::uint8_t { transparent, explicit_ };
enum class OnExit : std::uint8_t { open, closed };
enum class AccessLogMode : std::uint8_t { off, errors, all };

struct AgentConfig {
    std::string node; // empty: what the join token says, and then the identity it brought
    std::string zone;
    std::vector<Endpoint> servers;
    std::optional<std::string> join_token_file;
    std::string machine_id_file = "/etc/machine-id";
    std::string data_dir = "/var/lib/hawser/agent";
    std::string socket = "/run/hawser/agent.sock";
    std::string services_dir = "/etc/hawser/services.d";
    std::uint32_t workers = 0; // 0: one a core

    Endpoint tunnel_listen; // 0.0.0.0:15008
    std::optional<Endpoint> tunnel_advertise;

    InterceptMode intercept_mode = InterceptMode::transparent;
    OnExit on_exit = OnExit::open;
    std::uint16_t outbound_port = 15001;
    std::uint16_t inbound_port = 15006;

    Endpoint dns_listen;                 // 127.0.0.1:15053
    bool dns_capture = true;             // transparent mode: redirect the host's resolver traffic
    std::vector<Endpoint> dns_upstreams; // empty: /etc/resolv.conf

    Endpoint metrics_listen; // 127.0.0.1:15020
    std::string log_level = "info";
    std::string log_format = "automatic";
    AccessLogMode access_log = AccessLogMode::errors;

    std::vector<ServiceConfig> services;
};

// Reads the file and, if services_dir exists, its *.toml (in name order; they hold [[service]]
// only; see service_files.h for what comes later). The error is one message, "FILE:LINE:COLUMN:
// what; did you mean 'x'?" per line.
[[nodiscard]] Result<AgentConfig> load_agent_config(const std::string& path);
// Only the text, for tests and `validate`; `name` stands in messages.
[[nodiscard]] Result<AgentConfig> parse_agent_config(const std::string& text,
                                                     const std::string& name);

} // namespace hawser::config
