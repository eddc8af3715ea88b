// The calling side of a connection: who is calling what, over which tunnel, to which instance.
#pragma once

#include "io/loop.h"
#include "proxy/context.h"
#include "proxy/worker.h"

namespace hawser::proxy {

// A connection the kernel redirected here: its original destination is a service's VIP, its
// owner's user tells which local service calls. The context outlives the task.
[[nodiscard]] io::Task<void> serve_captured(Context& context, io::Socket socket);

// A connection to an explicit listener, which belongs to one calling service.
[[nodiscard]] io::Task<void> serve_upstream(Context& context, io::Socket socket, Upstream upstream);

} // namespace hawser::proxy
