// One connection's story, told once at its end: metrics and access log from one value.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/units.h"
#include "model/identity.h"
#include "proxy/proofs.h"
#include "proxy/relay.h"
#include "telemetry/access_log.h"
#include "traffic/flags.h"
#include "traffic/standing.h"

namespace hawser::proxy {

struct Context;

struct ConnectionRecord {
    telemetry::AccessRecord facts;
    std::chrono::steady_clock::time_point began;
    Duration idle_timeout{0}; // zero: never
    bool in_tunnel = false;   // as far as it came, it went by mutual TLS
    // What judge() asks about, beside the facts.
    model::Identity caller;
    std::uint64_t caller_generation = 0; // in its certificate
    std::uint16_t port = 0;              // of the instance
    bool policy_known = false;   // the caller's agent: policies let it in, as far as it has heard
    ProofPtr proof;              // that the other agent still is who it was
    std::uint64_t judged_by = 0; // number of the view
    traffic::Refusal cut;        // why it was cut
};

[[nodiscard]] ConnectionRecord begin_record(telemetry::Reporter reporter);
[[nodiscard]] model::Identity service_identity(std::string_view trust_domain,
                                               std::string_view service);

// Ends a connection that was never relayed.
void end_record(Context& context, ConnectionRecord& record, traffic::Flag flag, std::string detail);
// Relays, counting bytes as they go, and ends the record.
[[nodiscard]] io::Task<void> relay_and_record(Context& context, Relay& relay,
                                              ConnectionRecord& record);

// Adds to the counters what live relays have moved since the last call, and ends idle ones.
void account_live_relays(Context& context, Duration since_last);

} // namespace hawser::proxy
