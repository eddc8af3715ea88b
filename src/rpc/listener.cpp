#include "rpc/listener.h"

#include <asio/this_coro.hpp>
#include <optional>
#include <utility>

#include "io/socket.h"
#include "log/log.h"
#include "rpc/server_call.h"

namespace hawser::rpc {
namespace {

// A connection without a call is let go: an agent holds its session, others come back.
constexpr std::chrono::milliseconds idle_timeout = std::chrono::minutes(1);

void describe_certificate(Caller& caller, const std::optional<tls::PeerCertificate>& peer) {
    if (!peer) return;
    caller.identity = peer->identity;
    caller.certificate_sha256 = peer->sha256;
    caller.certificate_not_after = peer->not_after;
}

http::H2Options connection_options() {
    return {.server = true,
            .max_concurrent_streams = limits::rpc_streams_per_connection,
            .ping_interval = limits::heartbeat_interval * 2,
            .idle_timeout = idle_timeout};
}

// The calls of one connection.
class Calls final : public http::ConnectionHandler {
  public:
    Calls(const Methods& methods, io::TaskGroup& tasks, const Caller& caller)
        : methods_(methods), tasks_(tasks), caller_(caller) {}

    void serve(http::H2Connection& connection) { connection_ = &connection; }

    http::StreamHandler* on_request(http::StreamId stream, http::Headers headers) override {
        auto call = std::make_shared<ServerCall>(connection_->executor());
        call->attach(*connection_, stream, &memory_);
        http::StreamHandler* handler = call.get();
        if (!tasks_.spawn(run_call(methods_, caller_, std::move(headers), std::move(call))))
            return nullptr;
        return handler;
    }

  private:
    const Methods& methods_;
    io::TaskGroup& tasks_;
    const Caller& caller_;
    MessageMemory memory_; // of what all calls have received and not yet handled
    http::H2Connection* connection_ = nullptr;
};

Result<std::unique_ptr<tls::Session>> make_session(const ServerOptions& options) {
    if (!options.credentials) return nullptr; // plaintext
    tls::CredentialsPtr credentials = options.credentials();
    if (!credentials) return fail(ErrorCode::unavailable, "there is no certificate to show yet");
    return tls::Session::create(std::move(credentials), tls::Role::server);
}

io::Task<void> run_connection(Listener& listener, http::H2Connection& connection, Caller& caller) {
    if (auto done = co_await connection.handshake(); !done) {
        listener.refused(caller.remote, done.error());
        co_return;
    }
    describe_certificate(caller, connection.peer());
    const auto entry = listener.open.insert(listener.open.end(), &connection);
    connection.start();
    if (listener.draining) connection.goaway();
    const auto ended = co_await connection.run();
    listener.open.erase(entry);
    if (!ended)
        log::debug(
            "connection ended",
            {{"listener", listener.options.name}, {"peer", caller.remote}, {"why", ended.error()}});
}

} // namespace

void RefusalLog::write(const std::string& remote, const Error& error) {
    const auto now = Clock::now();
    if (now - second_begun_ >= std::chrono::seconds(1)) {
        second_begun_ = now;
        this_second_ = 0;
    }
    if (++this_second_ > per_second) {
        ++left_out_;
        return;
    }
    log::warn("refused a connection", {{"listener", listener_},
                                       {"peer", remote},
                                       {"reason", error},
                                       {"not_logged", std::exchange(left_out_, 0)}});
}

Listener::Listener(io::Executor executor, Methods the_methods, ServerOptions the_options)
    : methods(std::move(the_methods)),
      options(std::move(the_options)),
      connections(executor),
      one_ended(executor),
      refusals(options.name) {}

void Listener::refused(const std::string& remote, const Error& error) {
    refusals.write(remote, error);
    if (options.on_refused) options.on_refused(error);
}

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

io::Task<void> serve_connection(Listener& listener, io::Socket socket) {
    // The calls' tasks must be joined, so being cancelled must not throw here.
    co_await asio::this_coro::throw_if_cancelled(false);
    auto caller = describe_peer(socket.native_handle(), !listener.options.credentials);
    if (!caller) co_return; // it left already
    auto session = make_session(listener.options);
    if (!session) {
        listener.refused(caller->remote, session.error());
        co_return;
    }
    io::TaskGroup tasks(socket.get_executor());
    Calls calls(listener.methods, tasks, *caller);
    {
        http::H2Connection connection(std::move(socket), std::move(*session), connection_options(),
                                      &calls);
        calls.serve(connection);
        co_await run_connection(listener, connection, *caller);
    } // streams still open are told here
    tasks.cancel();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await tasks.join();
    listener.one_ended.notify();
}

} // namespace hawser::rpc
