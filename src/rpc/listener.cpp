#include "rpc/listener.h"

#include <asio/this_coro.hpp>
#include <optional>
#include <utility>

#include "io/socket.h"
#include "log/log.h"
#include "rpc/server_call.h"
#include "tls/x509.h"

namespace hawser::rpc {
namespace {

// A connection without a call is let go: an agent holds its session, others come back.
constexpr std::chrono::milliseconds idle_timeout = std::chrono::minutes(1);
constexpr std::size_t stranger_memory =
    2 * limits::stranger_message_bytes + limits::stranger_calls * call_bytes;
constexpr std::size_t member_memory =
    2 * limits::rpc_message_bytes + limits::rpc_streams_per_connection * call_bytes;

void describe_certificate(Caller& caller, const std::optional<tls::PeerCertificate>& peer) {
    if (!peer) return;
    caller.identity = peer->identity;
    caller.certificate_sha256 = peer->sha256;
    caller.certificate_generation = tls::generation_in(peer->serial);
    caller.certificate_not_after = peer->not_after;
}

http::H2Options connection_options(const ServerOptions& options) {
    return {.server = true,
            .max_concurrent_streams = limits::rpc_streams_per_connection,
            .ping_interval = limits::heartbeat_interval * 2,
            .idle_timeout = options.stranger_patience};
}

// One connection: who it is, and its calls.
class Guest final : public http::ConnectionHandler {
  public:
    Guest(Listener& listener, io::TaskGroup& tasks, Caller caller)
        : listener_(listener),
          tasks_(tasks),
          caller_(std::move(caller)),
          memory_(stranger_memory, &listener.memory) {}

    [[nodiscard]] io::Task<void> serve(http::H2Connection& connection);
    http::StreamHandler* on_request(http::StreamId stream, http::Headers headers) override;

  private:
    [[nodiscard]] Result<void> identify();
    [[nodiscard]] Result<void> become_member();
    [[nodiscard]] bool is_member() const { return place_->standing() == Standing::member; }
    [[nodiscard]] Allowance allowance(bool admitted) const;

    Listener& listener_;
    io::TaskGroup& tasks_;
    Caller caller_;
    MessageMemory memory_; // of what all calls have received and not yet handled
    http::H2Connection* connection_ = nullptr;
    ConnectionTable::Place* place_ = nullptr;
};

io::Task<void> Guest::serve(http::H2Connection& connection) {
    connection_ = &connection;
    ConnectionTable::Place place(listener_.table, connection);
    place_ = &place;
    Result<void> ended = co_await connection.handshake();
    const bool greeted = ended.has_value();
    if (greeted) describe_certificate(caller_, connection.peer());
    if (Result<void> known = greeted ? identify() : ended; !known) {
        listener_.refused(caller_.remote, place.turned_out().value_or(known.error()));
    } else {
        connection.start();
        if (listener_.draining) connection.goaway();
        ended = co_await connection.run();
        if (place.turned_out()) {
            listener_.refused(caller_.remote, *place.turned_out());
        } else if (!ended) {
            log::debug("connection ended", {{"listener", listener_.options.name},
                                            {"peer", caller_.remote},
                                            {"why", ended.error()}});
        }
    }
}

Result<void> Guest::identify() {
    const auto& known = listener_.options.known;
    if (known ? known(caller_) : caller_.identity || caller_.local) return become_member();
    return place_->become(Standing::newcomer);
}

Result<void> Guest::become_member() {
    if (Result<void> room = place_->become(Standing::member); !room) return room;
    memory_.set_limit(member_memory);
    connection_->set_idle_timeout(idle_timeout);
    return {};
}

http::StreamHandler* Guest::on_request(http::StreamId stream, http::Headers headers) {
    // Who is known has the connection's own limit of streams.
    if (!is_member() && connection_->open_streams() > limits::stranger_calls) return nullptr;
    auto asked = read_request(listener_.methods, caller_, headers);
    const bool admitted = asked && asked->admitted;
    if (admitted && !is_member()) {
        if (Result<void> room = become_member(); !room) {
            listener_.refused(caller_.remote, room.error());
            return nullptr;
        }
    }
    if (place_->standing() == Standing::newcomer && !place_->become(Standing::stranger))
        return nullptr; // it was turned out meanwhile
    auto call = std::make_shared<ServerCall>(connection_->executor(), allowance(admitted), memory_);
    if (!call->attach(*connection_, stream)) return nullptr;
    http::StreamHandler* handler = call.get();
    if (!asked) call->end(fail(std::move(asked.error())));
    auto task = asked ? run_call(std::move(*asked), std::move(call)) : see_off(std::move(call));
    return tasks_.spawn(std::move(task)) ? handler : nullptr;
}

Allowance Guest::allowance(bool admitted) const {
    if (admitted || is_member()) return {};
    return {.message_bytes = limits::stranger_message_bytes,
            .patience = listener_.options.stranger_patience};
}

Result<std::unique_ptr<tls::Session>> make_session(const ServerOptions& options) {
    if (!options.credentials) return nullptr; // plaintext
    tls::CredentialsPtr credentials = options.credentials();
    if (!credentials) return fail(ErrorCode::unavailable, "there is no certificate to show yet");
    return tls::Session::create(std::move(credentials), tls::Role::server);
}

} // namespace

Listener::Listener(io::Executor executor, Methods the_methods, ServerOptions the_options)
    : methods(std::move(the_methods)),
      options(std::move(the_options)),
      connections(executor),
      one_ended(executor),
      table({options.max_handshakes, options.max_handshakes, options.max_strangers,
             options.max_connections}),
      memory(options.buffered_bytes) {}

void Listener::refused(const std::string& remote, const Error& error) {
    if (const auto left_out = refusal_lines.admit()) {
        log::warn("refused a connection", {{"listener", options.name},
                                           {"peer", remote},
                                           {"reason", error},
                                           {"not_logged", *left_out}});
    }
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
    Guest guest(listener, tasks, std::move(*caller));
    {
        http::H2Connection connection(std::move(socket), std::move(*session),
                                      connection_options(listener.options), &guest);
        co_await guest.serve(connection);
    } // streams still open are told here
    tasks.cancel();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await tasks.join();
    listener.one_ended.notify();
}

} // namespace hawser::rpc
