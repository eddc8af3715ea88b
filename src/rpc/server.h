// Serves the control protocol: gRPC framing (unary and bidirectional streams) over HTTP/2, on a
// TLS listener or a Unix socket. Handlers are coroutines on the listener's loop.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/socket.h"
#include "io/task_group.h"
#include "model/identity.h"
#include "tls/credentials.h"

namespace hawser::rpc {

// Who calls. Exactly what the transport proved; roles are the caller's business.
struct Caller {
    std::optional<model::Identity> identity;  // from the client certificate
    std::string certificate_sha256;           // of it, 32 bytes; empty without
    std::uint64_t certificate_generation = 0; // in its serial; 0: none
    WallTime certificate_not_after = 0;
    std::string bearer;                       // `authorization: Bearer …`, unverified
    std::optional<io::PeerCredentials> local; // Unix socket peers
    std::string remote;                       // "10.0.0.7:51234" or "unix:uid=0"
};

// One bidirectional stream of messages, server or client side. One reader and one writer at a time.
class MessageStream {
  public:
    virtual ~MessageStream() = default;
    // The next message; empty: the peer ended its side. Fails when the stream broke, the message
    // is too long, or the deadline passed.
    virtual io::Task<Result<std::optional<std::string>>> read(
        std::chrono::milliseconds timeout) = 0;
    // Waits while the peer's window and our buffer are full; fails (deadline_exceeded) after
    // `timeout`, so that a slow peer is dropped rather than waited for.
    virtual io::Task<Result<void>> write(std::string message,
                                         std::chrono::milliseconds timeout) = 0;
    // Client: no more messages from us; server: ends the stream with ok.
    virtual void finish() = 0;
    virtual void abort() = 0;
};

// `caller` and `request` live as long as the returned task.
using UnaryHandler =
    std::function<io::Task<Result<std::string>>(const Caller& caller, std::string request)>;
// The stream ends with the returned status.
using StreamingHandler =
    std::function<io::Task<Result<void>>(const Caller& caller, MessageStream& stream)>;

// Whether a caller may use a method: asked when the call begins, before any of its message is
// taken. A method without a guard is open to anybody, but takes little from strangers.
using Guard = std::function<Result<void>(const Caller& caller)>;

// One of both handlers.
struct Method {
    UnaryHandler unary;
    StreamingHandler streaming;
    Guard guard; // may be null
};

// The methods of a server: "/hawser.v1.Api/Apply" → handler. Unknown methods answer unimplemented.
class Methods {
  public:
    void unary(std::string path, UnaryHandler handler, Guard guard = nullptr);
    void streaming(std::string path, StreamingHandler handler, Guard guard = nullptr);

    // Typed: parses the request, serialises the response.
    template <typename Request, typename Response>
    void unary(std::string path,
               std::function<io::Task<Result<Response>>(const Caller&, Request)> handler,
               Guard guard = nullptr) {
        unary(
            std::move(path),
            [handler = std::move(handler)](const Caller& caller, std::string bytes) {
                return call_typed<Request, Response>(handler, caller, std::move(bytes));
            },
            std::move(guard));
    }

    [[nodiscard]] const Method* find(std::string_view path) const; // null: there is none

  private:
    template <typename Request, typename Response>
    static io::Task<Result<std::string>> call_typed(
        const std::function<io::Task<Result<Response>>(const Caller&, Request)>& handler,
        const Caller& caller, std::string bytes) {
        Request request;
        if (!request.ParseFromString(bytes))
            co_return fail(ErrorCode::invalid, "the request is not a valid message");
        Result<Response> response = co_await handler(caller, std::move(request));
        if (!response) co_return fail(std::move(response.error()));
        co_return response->SerializeAsString();
    }

    struct Tables;
    std::shared_ptr<Tables> tables_ = make_tables();
    static std::shared_ptr<Tables> make_tables();
};

// A connection is a stranger's until its certificate or its Unix credentials say otherwise
// (`known`), or a guard admitted one of its calls. Strangers have connections, messages and
// patience of their own, all small, and never take those of the others.
struct ServerOptions {
    std::size_t max_connections = 64; // of those who are known
    std::size_t max_strangers = limits::stranger_connections;
    std::size_t max_handshakes = limits::rpc_handshakes; // and as many that have asked nothing yet
    std::size_t buffered_bytes = limits::rpc_buffered_bytes; // requests not yet handled, of all
    std::chrono::milliseconds stranger_patience = limits::stranger_patience;
    // Asked for each new connection, so that renewed credentials are used; null: plaintext (Unix).
    std::function<tls::CredentialsPtr()> credentials;
    // Asked once, after the handshake; null: every certificate of the mesh and every local user.
    std::function<bool(const Caller&)> known;
    std::string name = "rpc"; // for logs: "refused a connection on <name>"
    // A connection that was refused: for counting (called after it was logged with the peer).
    std::function<void(const Error&)> on_refused;
};

// Accepts and serves until cancelled, then drains what runs for at most limits::drain_deadline.
[[nodiscard]] io::Task<void> serve(io::Acceptor acceptor, Methods methods, ServerOptions options);

} // namespace hawser::rpc
