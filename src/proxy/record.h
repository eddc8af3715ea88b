// One connection's story, told once at its end: metrics and access log from one value.
#pragma once

#include <chrono>
#include <string>

#include "base/units.h"
#include "model/identity.h"
#include "proxy/relay.h"
#include "telemetry/access_log.h"
#include "traffic/flags.h"

namespace hawser::proxy {

struct Context;

struct ConnectionRecord {
    telemetry::AccessRecord facts;
    std::chrono::steady_clock::time_point began;
    Duration idle_timeout{0}; // zero: never
    bool in_tunnel = false;   // as far as it came, it went by mutual TLS
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
