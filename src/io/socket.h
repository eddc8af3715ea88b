// Sockets as hawser opens them: non-blocking, close-on-exec, TCP_NODELAY, no name resolution.
// Every wait has a deadline.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <asio/basic_socket_acceptor.hpp>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"

namespace hawser::io {

using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol, Executor>;

struct ListenOptions {
    bool reuse_port = false; // one listener a worker, the kernel spreads connections
    int backlog = 1024;
};
[[nodiscard]] Result<Acceptor> listen_tcp(Executor executor, const Endpoint& endpoint,
                                          ListenOptions options = {});
// Replaces a stale socket file; mode is the file's, group its gid (-1: unchanged).
[[nodiscard]] Result<Acceptor> listen_unix(Executor executor, const std::string& path, mode_t mode,
                                           gid_t group);
// The endpoint a listener is really bound to (after port 0).
[[nodiscard]] Result<Endpoint> local_endpoint(int descriptor);
[[nodiscard]] Result<Endpoint> peer_endpoint(int descriptor);

// Waits for the next connection. Out of descriptors or memory: pauses 100 ms instead of spinning
// and tries again; fails only when the acceptor was closed or the task cancelled.
[[nodiscard]] Task<Result<Socket>> accept(Acceptor& acceptor);

struct ConnectOptions {
    std::chrono::milliseconds timeout{5000};
    std::uint32_t mark = 0; // SO_MARK, needs CAP_NET_ADMIN; 0: none
};
[[nodiscard]] Task<Result<Socket>> connect_tcp(Executor executor, Endpoint endpoint,
                                               ConnectOptions options = {});
[[nodiscard]] Task<Result<Socket>> connect_unix(Executor executor, std::string path,
                                                std::chrono::milliseconds timeout);

// The destination a redirected connection was dialled to (SO_ORIGINAL_DST, IPv4 and IPv6). For a
// connection that was not redirected the kernel reports the local endpoint, or not_found.
[[nodiscard]] Result<Endpoint> original_destination(int descriptor);

struct PeerCredentials {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};
[[nodiscard]] Result<PeerCredentials> peer_credentials(int descriptor); // Unix sockets

// Makes the next close of the socket send RST instead of FIN.
void reset_on_close(Socket& socket);
void close(Socket& socket);

// Ends after `duration`, or early (false) when the task was cancelled.
[[nodiscard]] Task<bool> sleep(std::chrono::milliseconds duration);

} // namespace hawser::io
