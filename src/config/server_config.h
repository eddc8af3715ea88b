// server.toml as values; see agent_config.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/units.h"

namespace hawser::config {

// The certificate authority.
struct AuthorityConfig {
    std::optional<std::string> sealing_key_file; // none: a credential, or one in data_dir
    std::optional<std::string> cert_file;        // read by `init` only: an operator's own authority
    std::optional<std::string> cert_key_file;    // ditto
    Duration root_lifetime = std::chrono::days(3653);
    Duration intermediate_lifetime = std::chrono::days(365);
};

// The audit log, in "audit" in data_dir.
struct AuditConfig {
    std::uint64_t file_bytes = 16 << 20;
    std::uint32_t keep = 20;                         // files
    Duration max_age = std::chrono::hours(24 * 400); // of a file; zero: for ever
};

struct ServerConfig {
    std::string node; // default: the host's name
    std::string data_dir = "/var/lib/hawser/server";
    std::string socket = "/run/hawser/server.sock";
    Endpoint listen; // 0.0.0.0:7443
    std::vector<Endpoint>
        advertise; // put into join tokens; empty: the listen address if it is specific
    std::string trust_domain = "hawser.local"; // used by `init` only
    std::string dns_domain = "mesh";           // ditto
    Cidr vip4, vip6;                           // ditto; 240.0.0.0/8 and fd68:6177::/64
    Duration certificate_lifetime{86'400'000}; // of leaves
    Duration availability_target{}; // agents survive so long without servers; zero: unspecified
    AuthorityConfig ca;
    Duration session_timeout{7'000};
    std::optional<std::string> join_token_file; // for a further server's first start
    std::uint32_t bootstrap_expect = 1;         // voters: with fewer the cluster is incomplete
    Duration dead_server_after = std::chrono::hours(72); // silent for so long: removed; zero: never
    Duration snapshot_interval = std::chrono::hours(1);  // zero: none are made
    std::uint32_t snapshots_kept = 24;
    std::string snapshot_dir; // default: "snapshots" in data_dir
    AuditConfig audit;
    std::string log_level = "info";
    std::string log_format = "automatic";
};

[[nodiscard]] Result<ServerConfig> load_server_config(const std::string& path);
[[nodiscard]] Result<ServerConfig> parse_server_config(const std::string& text,
                                                       const std::string& name);

} // namespace hawser::config
