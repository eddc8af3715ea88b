// From where a redirected connection really came. Two local programs may use the same port towards
// two different virtual addresses; both are redirected to one listener, so the kernel gives one of
// them another source port on the way. The connection then shows a peer that no socket has, and
// only connection tracking knows the socket's own.
#pragma once

#include "base/ip.h"
#include "base/result.h"

namespace hawser::host {

// `listener` and `peer`: the accepted connection's own endpoint and its peer's. Asks ctnetlink for
// that one TCP connection; needs CAP_NET_ADMIN. Synchronous, some 10 µs; for the rare case only.
[[nodiscard]] Result<Endpoint> original_source(const Endpoint& listener, const Endpoint& peer);

} // namespace hawser::host
