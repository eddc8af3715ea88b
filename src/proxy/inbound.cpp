#include "proxy/inbound.h"

#include <utility>

#include "io/socket.h"
#include "log/log.h"
#include "proxy/judge.h"
#include "proxy/record.h"
#include "proxy/tunnel_protocol.h"
#include "tls/x509.h"
#include "traffic/authorizer.h"

namespace hawser::proxy {
namespace {

using traffic::Flag;

constexpr Duration local_connect_timeout{5'000};

// What was decided about a CONNECT request, before anything is dialled.
struct Admission {
    ConnectionRecord record;
    Flag refused = Flag::none;
    std::string detail;
    Endpoint dial;
    Duration connect_timeout = local_connect_timeout;
};

Admission& refuse(Admission& admission, Flag flag, std::string detail) {
    admission.refused = flag;
    admission.detail = std::move(detail);
    return admission;
}

// Who is at the other end of a tunnel.
struct Peer {
    Endpoint address;
    model::Identity identity;
    std::uint64_t generation = 0;
    ProofPtr proof;
};

void describe_peer(Admission& admission, const View& view, const Peer& peer) {
    telemetry::AccessRecord& facts = admission.record.facts;
    facts.peer = peer.address;
    facts.source_principal = peer.identity.to_uri();
    if (peer.identity.kind == model::IdentityKind::service)
        facts.source_workload = peer.identity.name;
    const auto holder = traffic::find_holder(*view.mesh, peer.identity, peer.generation);
    if (holder.node != nullptr) facts.source_node = holder.node->name;
    facts.destination_node = view.node;
    admission.record.in_tunnel = true;
    admission.record.caller = peer.identity;
    admission.record.caller_generation = peer.generation;
    admission.record.proof = peer.proof;
}

void check_policy(Context& context, Admission& admission, const model::ServiceView& service) {
    const model::Identity& caller = admission.record.caller;
    const traffic::Verdict verdict = traffic::authorize(service, caller);
    telemetry::AccessRecord& facts = admission.record.facts;
    facts.policy = verdict.rule;
    facts.shadow_denied = !verdict.shadow_rule.empty();
    context.metrics
        .counter(telemetry::Metric::policy_decisions,
                 {service.service.name, verdict.rule, verdict.allowed ? "allow" : "deny"})
        .add();
    if (!verdict.allowed)
        refuse(admission, Flag::policy_denied,
               caller.to_uri() + " may not call " + service.service.name);
}

// Decides about one request: which local process, and whether this caller may reach it.
Admission admit(Context& context, const http::Headers& headers, const Peer& peer) {
    Admission admission{.record = begin_record(telemetry::Reporter::destination)};
    describe_peer(admission, *context.view, peer);
    auto target = parse_connect_request(headers);
    if (!target) return refuse(admission, Flag::no_route, std::move(target.error().message));
    telemetry::AccessRecord& facts = admission.record.facts;
    const LocalService* local = context.view->local->find(target->service, target->port);
    const model::ServiceView* service = context.view->mesh->service(target->service);
    if (local == nullptr || service == nullptr)
        return refuse(admission, Flag::no_route, "this host has no such instance");
    facts.instance =
        context.view->node + "/" + target->service + "/" + std::to_string(target->port);
    facts.destination_service = target->service;
    facts.destination_principal =
        service_identity(context.view->trust_domain, target->service).to_uri();
    facts.upstream = local->dial;
    admission.dial = local->dial;
    admission.connect_timeout = service->service.connect_timeout;
    admission.record.idle_timeout = service->service.idle_timeout;
    admission.record.port = target->port;
    admission.record.judged_by = context.view_number;
    if (auto refusal = check_parties(*context.view, admission.record))
        return refuse(admission, refusal.flag, std::move(refusal.why));
    check_policy(context, admission, *service);
    return admission;
}

Flag flag_of(const Error& error) {
    return error.code == ErrorCode::deadline_exceeded ? Flag::upstream_timeout
                                                      : Flag::upstream_connect_failure;
}

// The answer is on its way; the caller's agent ends the stream when it has it.
io::Task<void> refuse_stream(Context& context, http::H2Connection& connection,
                             http::StreamId stream, Relay& relay, Admission& admission) {
    connection.respond(stream, connect_refused(admission.refused, admission.detail), true);
    end_record(context, admission.record, admission.refused, std::move(admission.detail));
    co_await relay.wait_closed(refusal_wait);
}

// One stream. The connection may only be touched while the relay's stream is not closed: when the
// tunnel ends, the relay is told before the connection goes.
io::Task<void> serve_stream(Context& context, http::H2Connection& connection, http::StreamId stream,
                            std::shared_ptr<Relay> relay, Admission admission) {
    const ConnectionCount count(context);
    std::optional<io::Socket> socket;
    if (admission.refused == Flag::none) {
        auto dialled = co_await io::connect_tcp(context.executor, admission.dial,
                                                {.timeout = admission.connect_timeout});
        if (dialled) {
            socket.emplace(std::move(*dialled));
        } else {
            refuse(admission, flag_of(dialled.error()), std::move(dialled.error().message));
        }
    }
    // The mesh may have changed meanwhile.
    if (socket && admission.record.judged_by != context.view_number)
        if (auto refusal = judge(*context.view, admission.record))
            refuse(admission, refusal.flag, std::move(refusal.why));
    if (relay->stream_closed()) {
        end_record(context, admission.record, Flag::downstream_reset,
                   "the caller left before its call was taken");
    } else if (admission.refused != Flag::none) {
        co_await refuse_stream(context, connection, stream, *relay, admission);
    } else {
        connection.respond(stream, connect_accepted());
        relay->attach(std::move(*socket));
        co_await relay_and_record(context, *relay, admission.record);
    }
}

// The requests of one tunnel.
class TunnelRequests final : public http::ConnectionHandler {
  public:
    explicit TunnelRequests(Context& context) : context_(context) {}

    // Before the connection runs.
    void serve(http::H2Connection& connection, Peer peer) {
        connection_ = &connection;
        peer_ = std::move(peer);
    }

    http::StreamHandler* on_request(http::StreamId stream, http::Headers headers) override {
        if (context_.connections >= context_.share(limits::agent_connections)) {
            context_.metrics
                .counter(telemetry::Metric::connections_refused, {traffic::code(Flag::overload)})
                .add();
            return nullptr;
        }
        context_.metrics.counter(telemetry::Metric::tunnel_streams, {"server"}).add();
        auto relay = std::make_shared<Relay>(context_.executor);
        relay->attach(*connection_, stream);
        http::StreamHandler* handler = relay.get();
        Admission admission = admit(context_, headers, peer_);
        const bool started = context_.tasks.spawn(
            serve_stream(context_, *connection_, stream, std::move(relay), std::move(admission)));
        return started ? handler : nullptr;
    }

  private:
    Context& context_;
    Peer peer_;
    http::H2Connection* connection_ = nullptr;
};

// Whether to write a line that whoever can connect here can cause.
bool is_first(Context& context, std::string event, const Endpoint& peer, std::string reason) {
    return context.repeats.first({.event = std::move(event),
                                  .subject = peer.address.to_string(),
                                  .reason = std::move(reason)},
                                 std::chrono::steady_clock::now());
}

void refuse_tunnel(Context& context, const Endpoint& peer, std::string_view reason,
                   const Error& error) {
    context.metrics.counter(telemetry::Metric::tunnel_handshakes, {"server", reason}).add();
    if (is_first(context, "refused a tunnel", peer, error.message))
        log::warn("refused a tunnel", {{"peer", peer.to_string()}, {"reason", error}});
}

// A session is a proof for all that its identity has open here.
Peer identify_peer(Context& context, const Endpoint& address, const tls::PeerCertificate& shown) {
    Peer peer{.address = address,
              .identity = shown.identity,
              .generation = tls::generation_in(shown.serial),
              .proof = nullptr};
    peer.proof = context.options.caller_proofs->of(peer.identity.to_uri(), peer.generation);
    peer.proof->extend(shown.not_after);
    return peer;
}

} // namespace

io::Task<void> serve_tunnel(Context& context, io::Socket socket) {
    const auto peer = io::peer_endpoint(socket.native_handle());
    if (!peer) co_return;
    if (context.view->node_credentials == nullptr) {
        refuse_tunnel(context, *peer, "not_joined",
                      {ErrorCode::unavailable, "this host has no identity yet"});
        co_return;
    }
    auto session = tls::Session::create(context.view->node_credentials, tls::Role::server);
    if (!session) {
        refuse_tunnel(context, *peer, "error", session.error());
        co_return;
    }
    TunnelRequests requests(context);
    http::H2Connection connection(std::move(socket), std::move(*session),
                                  {.server = true,
                                   .session_window = tunnel_session_window,
                                   .ping_interval = limits::tunnel_ping_interval},
                                  &requests);
    std::optional<Handshakes::Place> handshaking(std::in_place, context.handshakes, peer->address,
                                                 [&connection] { connection.abort(); });
    const auto began = std::chrono::steady_clock::now();
    if (auto done = co_await connection.handshake(); !done) {
        refuse_tunnel(context, *peer, "refused", done.error());
        co_return;
    }
    context.metrics.counter(telemetry::Metric::tunnel_handshakes, {"server", "ok"}).add();
    context.metrics.histogram(telemetry::Metric::tunnel_handshake_seconds, {"server"})
        .observe(std::chrono::steady_clock::now() - began);
    handshaking.reset();
    const ConnectionCount count(context);
    Peer caller = identify_peer(context, *peer, *connection.peer());
    const InboundTunnel listed(context, {.connection = &connection,
                                         .generation = caller.generation,
                                         .proof = caller.proof,
                                         .dismissal = {}});
    // One that is refused everything gets no other answer, and not for long: the next tick ends it.
    requests.serve(connection, std::move(caller));
    auto ended = co_await connection.run();
    if (!ended && is_first(context, "tunnel ended", *peer, ended.error().message))
        log::info("tunnel ended", {{"peer", peer->to_string()}, {"why", ended.error()}});
}

void end_expired_tunnels(Context& context, WallTime now) {
    constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();
    for (const InboundPeer& peer : context.inbound_tunnels)
        if (now > peer.connection->peer()->not_after + skew) peer.connection->goaway();
}

void refuse_plaintext(Context& context, io::Socket socket) {
    const int descriptor = socket.native_handle();
    const Endpoint peer = io::peer_endpoint(descriptor).value_or(Endpoint{});
    const Endpoint dialled = io::original_destination(descriptor).value_or(Endpoint{});
    io::reset_on_close(socket);
    io::close(socket);
    context.metrics.counter(telemetry::Metric::connections_refused, {"plaintext"}).add();
    const std::string destination = dialled.to_string();
    if (is_first(context, "refused plaintext from the network", peer, destination))
        log::warn("refused plaintext from the network",
                  {{"peer", peer.to_string()}, {"destination", destination}});
}

} // namespace hawser::proxy
