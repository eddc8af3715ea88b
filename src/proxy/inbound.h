// The receiving side: tunnels from other agents, policy by the caller's identity, and the dial of
// the local application. And the refusal of plaintext that the kernel redirected here.
#pragma once

#include "base/units.h"
#include "io/loop.h"
#include "proxy/context.h"

namespace hawser::proxy {

// One tunnel from another agent, until it ends. The context outlives the task.
[[nodiscard]] io::Task<void> serve_tunnel(Context& context, io::Socket socket);

// Tunnels of callers whose certificate has expired meanwhile take no new calls.
void end_expired_tunnels(Context& context, WallTime now);

// A connection from the network to the port of a service that takes mutual TLS only: reset,
// counted and logged with its peer.
void refuse_plaintext(Context& context, io::Socket socket);

} // namespace hawser::proxy
