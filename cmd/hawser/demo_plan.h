// The demo's mesh on paper: who listens where, and the configuration files that say so. Pure but
// for choosing free ports: the same story runs between namespaces and on loopback.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace hawser::cmd::demo {

// uids that no distribution gives out; who speaks as which service on the web host.
inline constexpr std::uint32_t web_uid = 61001;
inline constexpr std::uint32_t batch_uid = 61002;

// One host: a namespace of its own, or a few ports of 127.0.0.1.
struct HostPlan {
    std::string name;
    std::string network_namespace; // empty on loopback
    std::string address;
    std::string directory; // configuration, state and socket
    std::uint16_t tunnel_port = 15008;
    std::uint16_t advertised_port = 15008; // on loopback: where the wire is watched
    std::uint16_t dns_port = 15053;
    std::uint16_t metrics_port = 15020;

    [[nodiscard]] std::string config(const std::string& role) const {
        return directory + "/" + role + ".toml";
    }
    [[nodiscard]] std::string socket(const std::string& role) const {
        return directory + "/" + role + ".sock";
    }
};

struct Plan {
    bool transparent = true;
    std::string directory;
    std::string prefix; // of namespace names; the switch's is prefix + "-net"
    HostPlan server, web, api;
    std::uint16_t server_port = 7443;
    std::uint16_t api_one_port = 8081, api_two_port = 8082, cache_port = 6379;
    // Loopback: the listeners through which web and batch reach what they call.
    std::uint16_t web_to_api_port = 0, web_to_cache_port = 0, batch_to_api_port = 0;

    [[nodiscard]] std::string switch_namespace() const { return prefix + "-net"; }
    [[nodiscard]] std::string server_address() const;
};

inline constexpr int check_interval_seconds = 1;

[[nodiscard]] Plan plan_namespaces(const std::string& directory, const std::string& prefix);
[[nodiscard]] Result<Plan> plan_loopback(const std::string& directory);

[[nodiscard]] std::string server_config(const Plan& plan);
[[nodiscard]] std::string web_config(const Plan& plan);
[[nodiscard]] std::string api_config(const Plan& plan, bool cache_is_http);
[[nodiscard]] std::string policies();
[[nodiscard]] std::string nginx_config(const std::string& directory, std::uint16_t port,
                                       const std::string& instance);

Result<void> write_file(const std::string& path, const std::string& text);

} // namespace hawser::cmd::demo
