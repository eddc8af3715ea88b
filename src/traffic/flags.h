// Why a connection ended as it did: Envoy's response flags, and those that begin with H, which are
// ours, with words. They stand in metrics, in the access log and in `x-hawser-reason`.
#pragma once

#include <cstdint>
#include <string_view>

namespace hawser::traffic {

enum class Flag : std::uint8_t {
    none,
    no_healthy_upstream,      // UH
    policy_denied,            // RBAC
    overload,                 // UO: a limit was reached
    upstream_connect_failure, // UF
    upstream_timeout,         // UT
    upstream_reset,           // UC: the upstream ended it
    downstream_reset,         // DC: the caller ended it
    no_route,                 // NR: no such service
    unknown_caller,           // UAEX: no local service owns the calling process
    idle_timeout,             // SI
    local_shutdown,           // LR: this agent is stopping
    quarantined,              // HQ: one side of it is in quarantine
    deregistered,             // HD: one side of it left the mesh
    unproven,                 // HX: the other agent's certificate expired, and it showed no other
};

[[nodiscard]] std::string_view code(Flag flag);  // "UH"; "-" for none
[[nodiscard]] std::string_view words(Flag flag); // "no healthy upstream"

} // namespace hawser::traffic
