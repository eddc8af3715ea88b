// What the connections of one listener share, and how one of them is served.
#pragma once

#include <string>

#include "io/signal.h"
#include "io/task_group.h"
#include "log/limiter.h"
#include "rpc/connection_table.h"
#include "rpc/message_memory.h"
#include "rpc/server.h"

namespace hawser::rpc {

struct Listener {
    Listener(io::Executor executor, Methods the_methods, ServerOptions the_options);

    // Logged with the peer and the reason, and counted.
    void refused(const std::string& remote, const Error& error);

    Methods methods;
    ServerOptions options;
    io::TaskGroup connections;
    io::Signal one_ended; // of the connections
    ConnectionTable table;
    MessageMemory memory; // of all connections' calls
    bool draining = false;
    log::Limiter refusal_lines;
};

// Serves one connection until it ends or is cancelled; the listener outlives it. When it ends, its
// calls are cancelled and joined before what they use goes away.
[[nodiscard]] io::Task<void> serve_connection(Listener& listener, io::Socket socket);

// "10.0.0.7:51234" or "unix:uid=0"; fails when the peer has left already.
[[nodiscard]] Result<Caller> describe_peer(int descriptor, bool local);

} // namespace hawser::rpc
