#include "rpc/server.h"

#include <asio/this_coro.hpp>
#include <list>
#include <utility>

#include "log/log.h"
#include "rpc/server_call.h"

namespace hawser::rpc {
namespace {

// What the connections of one listener share.
struct Listener {
    Methods methods;
    ServerOptions options;
    io::TaskGroup connections;
    std::list<http::H2Connection*> open; // past their handshake

    Listener(io::Executor executor, Methods the_methods, ServerOptions the_options)
        : methods(std::move(the_methods)), options(std::move(the_options)), connections(executor) {}

    void refused(const std::string& remote, const Error& error) const {
        log::warn("refused a connection",
                  {{"listener", options.name}, {"peer", remote}, {"reason", error}});
        if (options.on_refused) options.on_refused(error);
    }
};

Result<Caller> describe_peer(int descriptor, bool local) {
    Caller caller;
    if (local) {
        auto credentials = io::peer_credentials(descriptor);
        if (!credentials) return fail(std::move(credentials.error()));
        caller.local = *credentials;
        caller.remote = "unix:uid=" + std::to_string(credentials->uid);
    } else {
        auto endpoint = io::peer_endpoint(descriptor);
        if (!endpoint) return fail(std::move(endpoint.error()));
        caller.remote = endpoint->to_string();
    }
    return caller;
}

void describe_certificate(Caller& caller, const std::optional<tls::PeerCertificate>& peer) {
    if (!peer) return;
    caller.identity = peer->identity;
    caller.certificate_sha256 = peer->sha256;
    caller.certificate_not_after = peer->not_after;
}

http::H2Options connection_options() {
    return {.server = true,
            .max_concurrent_streams = limits::rpc_streams_per_connection,
            .ping_interval = limits::heartbeat_interval * 2};
}

// The calls of one connection.
class Calls final : public http::ConnectionHandler {
  public:
    Calls(const Methods& methods, io::TaskGroup& tasks, Caller& caller)
        : methods_(methods), tasks_(tasks), caller_(caller) {}

    void serve(http::H2Connection& connection) { connection_ = &connection; }

    http::StreamHandler* on_request(http::StreamId stream, http::Headers headers) override {
        auto call = std::make_shared<ServerCall>(connection_->executor());
        call->attach(*connection_, stream);
        http::StreamHandler* handler = call.get();
        if (!tasks_.spawn(run_call(methods_, caller_, std::move(headers), std::move(call))))
            return nullptr;
        return handler;
    }

  private:
    const Methods& methods_;
    io::TaskGroup& tasks_;
    const Caller& caller_;
    http::H2Connection* connection_ = nullptr;
};

// Serves one connection. When it ends, or is cancelled, its calls are cancelled and joined before
// what they use goes away: so being cancelled must not throw here.
io::Task<void> serve_connection(Listener& listener, io::Socket socket) {
    co_await asio::this_coro::throw_if_cancelled(false);
    const bool local = !listener.options.credentials;
    auto caller = describe_peer(socket.native_handle(), local);
    if (!caller) co_return; // it left already
    std::unique_ptr<tls::Session> session;
    if (!local) {
        auto created = tls::Session::create(listener.options.credentials(), tls::Role::server);
        if (!created) {
            listener.refused(caller->remote, created.error());
            co_return;
        }
        session = std::move(*created);
    }
    io::TaskGroup tasks(socket.get_executor());
    Calls calls(listener.methods, tasks, *caller);
    {
        http::H2Connection connection(std::move(socket), std::move(session), connection_options(),
                                      &calls);
        calls.serve(connection);
        if (auto done = co_await connection.handshake(); !done) {
            listener.refused(caller->remote, done.error());
        } else {
            describe_certificate(*caller, connection.peer());
            const auto entry = listener.open.insert(listener.open.end(), &connection);
            const auto ended = co_await connection.run();
            listener.open.erase(entry);
            if (!ended)
                log::debug("connection ended", {{"listener", listener.options.name},
                                                {"peer", caller->remote},
                                                {"why", ended.error()}});
        }
    } // streams still open are told here
    tasks.cancel();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await tasks.join();
}

void take(Listener& listener, io::Socket socket) {
    if (listener.connections.size() < listener.options.max_connections) {
        listener.connections.spawn(serve_connection(listener, std::move(socket)));
        return;
    }
    const auto caller = describe_peer(socket.native_handle(), !listener.options.credentials);
    listener.refused(caller ? caller->remote : "unknown",
                     {ErrorCode::resource_exhausted, "too many connections"});
    io::reset_on_close(socket);
}

io::Task<void> drain(Listener& listener) {
    constexpr std::chrono::milliseconds look_again{20};
    for (http::H2Connection* connection : listener.open) connection->goaway();
    const auto deadline = std::chrono::steady_clock::now() + limits::drain_deadline;
    while (listener.connections.size() > 0 && std::chrono::steady_clock::now() < deadline)
        (void)co_await io::sleep(look_again);
    listener.connections.cancel();
    co_await listener.connections.join();
}

} // namespace

io::Task<void> serve(io::Acceptor acceptor, Methods methods, ServerOptions options) {
    co_await asio::this_coro::throw_if_cancelled(false);
    Listener listener(acceptor.get_executor(), std::move(methods), std::move(options));
    const auto state = co_await asio::this_coro::cancellation_state;
    while (state.cancelled() == asio::cancellation_type::none) {
        auto socket = co_await io::accept(acceptor);
        if (socket) {
            take(listener, std::move(*socket));
        } else if (state.cancelled() == asio::cancellation_type::none) {
            log::error("accepting failed",
                       {{"listener", listener.options.name}, {"error", socket.error()}});
            break;
        }
    }
    std::error_code ignored;
    acceptor.close(ignored);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await drain(listener);
}

} // namespace hawser::rpc
