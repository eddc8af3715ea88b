#include "proxy/outbound.h"

#include <algorithm>
#include <format>
#include <utility>
#include <vector>

#include "host/original_source.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "proxy/judge.h"
#include "proxy/record.h"
#include "proxy/tunnel_protocol.h"
#include "traffic/balancer.h"

namespace hawser::proxy {
namespace {

using traffic::Flag;

// Distinct instances tried for one connection before giving up.
constexpr std::size_t max_attempts = 3;

using Deadline = std::chrono::steady_clock::time_point;

// What is known of a connection before it goes anywhere.
struct Call {
    ConnectionRecord record;
    Flag refused = Flag::none;
    std::string detail;

    [[nodiscard]] Call&& refuse(Flag flag, std::string why) && {
        refused = flag;
        detail = std::move(why);
        return std::move(*this);
    }
};

// A stream to an instance that its agent has accepted.
struct Link {
    std::unique_ptr<Relay> relay;
    std::shared_ptr<Tunnel> tunnel; // after the relay is gone, it may go
};

struct Attempt {
    std::optional<Link> link;
    Flag flag = Flag::upstream_connect_failure;
    std::string detail;
    bool in_tunnel = false; // its agent was reached
};

Call identify(const Context& context, std::string service, std::string_view source,
              const Endpoint& peer) {
    Call call{
        .record = begin_record(telemetry::Reporter::source), .refused = Flag::none, .detail = {}};
    telemetry::AccessRecord& facts = call.record.facts;
    facts.peer = peer;
    facts.destination_service = std::move(service);
    facts.source_workload = source;
    facts.source_node = context.view->node;
    if (!source.empty()) {
        call.record.caller = service_identity(context.view->trust_domain, source);
        facts.source_principal = call.record.caller.to_uri();
    }
    return call;
}

std::string user_text(const Result<host::SocketOwner>& owner) {
    return owner ? std::format("uid {}", owner->uid) : owner.error().message;
}

// The user behind a redirected connection, also when the kernel changed its source port on the way.
Result<host::SocketOwner> find_owner(Context& context, int descriptor, const Endpoint& peer,
                                     const Endpoint& dialled) {
    auto owner = context.socket_owner.find(peer, dialled);
    if (owner || owner.error().code != ErrorCode::not_found) return owner;
    const auto listener = io::local_endpoint(descriptor);
    if (!listener) return owner;
    const auto source = host::original_source(*listener, peer);
    return source && *source != peer ? context.socket_owner.find(*source, dialled) : owner;
}

Call identify_captured(Context& context, const io::Socket& socket) {
    const int descriptor = const_cast<io::Socket&>(socket).native_handle();
    const auto peer = io::peer_endpoint(descriptor);
    const auto dialled = io::original_destination(descriptor);
    if (!peer || !dialled)
        return identify(context, {}, {}, {})
            .refuse(Flag::no_route, "the connection was not redirected here");
    const model::ServiceView* service = context.view->mesh->service_by_vip(dialled->address);
    if (service == nullptr)
        return identify(context, {}, {}, *peer)
            .refuse(Flag::no_route, dialled->to_string() + " is no service's address");
    const auto owner = find_owner(context, descriptor, *peer, *dialled);
    const std::string_view source =
        owner ? context.view->local->owned_by(owner->uid) : std::string_view();
    Call call = identify(context, service->service.name, source, *peer);
    call.record.facts.original_destination = *dialled;
    if (owner) call.record.facts.uid = owner->uid, call.record.facts.has_uid = true;
    if (source.empty()) return std::move(call).refuse(Flag::unknown_caller, user_text(owner));
    return call;
}

Call identify_upstream(Context& context, const io::Socket& socket, const Upstream& upstream) {
    const int descriptor = const_cast<io::Socket&>(socket).native_handle();
    const auto peer = io::peer_endpoint(descriptor);
    const auto local = io::local_endpoint(descriptor);
    Call call = identify(context, upstream.destination, upstream.source, peer.value_or(Endpoint{}));
    if (!peer || !local)
        return std::move(call).refuse(Flag::downstream_reset, "the caller left at once");
    // A listener that is open to the network would lend the service's identity to anybody there.
    if (!peer->address.is_loopback() && peer->address != local->address)
        return std::move(call).refuse(Flag::unknown_caller, "the caller is not of this host");
    // Only a listener whose service names an owner needs to know who is calling.
    if (context.view->local->may_speak_as(static_cast<uid_t>(-1), upstream.source)) return call;
    const auto owner = context.socket_owner.find(*peer, *local);
    if (!owner || !context.view->local->may_speak_as(owner->uid, upstream.source))
        return std::move(call).refuse(Flag::unknown_caller, user_text(owner));
    return call;
}

// A refusal ends the stream in order. Cutting it instead would count as one of the resets that the
// other agent allows on a tunnel before it closes it, with all other connections in it.
io::Task<void> end_refused(std::unique_ptr<Relay> relay, std::shared_ptr<Tunnel> tunnel) {
    relay->finish();
    co_await relay->wait_closed(refusal_wait);
    relay.reset(); // before the tunnel may go
}

// Opens a stream to one instance and waits for its agent to say that the application took it.
io::Task<Attempt> try_endpoint(Context& context, model::EndpointView endpoint, std::string source,
                               tls::CredentialsPtr credentials, std::string trust_domain,
                               Deadline deadline) {
    Attempt attempt;
    TunnelKey key{.source = std::move(source), .node = endpoint.node, .endpoint = endpoint.tunnel};
    auto tunnel = co_await context.pool.acquire(std::move(key), std::move(credentials),
                                                std::move(trust_domain), deadline);
    if (!tunnel) {
        attempt.detail = std::move(tunnel.error().message);
        co_return attempt;
    }
    attempt.in_tunnel = true;
    auto relay = std::make_unique<Relay>(context.executor);
    http::H2Connection& connection = *(*tunnel)->connection;
    auto stream = connection.open(
        connect_request(endpoint.instance.service, endpoint.instance.port), relay.get());
    if (!stream) {
        attempt.detail = std::move(stream.error().message);
        co_return attempt;
    }
    relay->attach(connection, *stream);
    context.metrics.counter(telemetry::Metric::tunnel_streams, {"client"}).add();
    auto answer = co_await relay->answer(deadline);
    const ConnectAnswer verdict = parse_connect_answer(answer, relay->close_code());
    attempt.flag = verdict.flag;
    attempt.detail = verdict.detail;
    if (verdict.accepted)
        attempt.link.emplace(std::move(relay), std::move(*tunnel));
    else if (answer)
        context.tasks.spawn(end_refused(std::move(relay), std::move(*tunnel)));
    co_return attempt;
}

// One instance after the other. All attempts together have the service's connect timeout; each gets
// its part of what is left, so that one that hangs leaves time for the next. `view` keeps the
// service.
io::Task<Attempt> try_endpoints(Context& context, ConnectionRecord& record, ViewPtr view,
                                const model::ServiceView& service, tls::CredentialsPtr credentials,
                                LoadShare& share) {
    Attempt attempt{.link = {}, .flag = Flag::no_healthy_upstream, .detail = {}};
    const Deadline deadline =
        std::chrono::steady_clock::now() + service.service.connect_timeout + answer_margin;
    const std::size_t most = std::min(max_attempts, service.usable.size());
    std::vector<std::uint32_t> tried;
    while (tried.size() < most) {
        auto loads = loads_of(share.service(), service);
        for (const std::uint32_t failed : tried) loads[failed].avoid = true;
        const auto choice =
            traffic::choose_endpoint(service, loads, context.random, share.service().turn);
        if (!choice.found) break;
        const model::EndpointView& endpoint = service.endpoints[choice.endpoint];
        share.choose(endpoint.instance.key());
        record.facts.instance = endpoint.instance.key();
        record.facts.destination_node = endpoint.node;
        record.port = endpoint.instance.port;
        record.facts.destination_principal =
            service_identity(view->trust_domain, endpoint.instance.service).to_uri();
        record.facts.upstream = endpoint.tunnel;
        const auto now = std::chrono::steady_clock::now();
        attempt = co_await try_endpoint(context, endpoint, record.facts.source_workload,
                                        credentials, view->trust_domain,
                                        now + (deadline - now) / (most - tried.size()));
        record.in_tunnel = attempt.in_tunnel;
        if (attempt.link) record.proof = attempt.link->tunnel->proof;
        if (attempt.link || attempt.flag == Flag::policy_denied) break;
        tried.push_back(choice.endpoint);
    }
    co_return attempt;
}

// Finds an instance that takes the connection, which counts in `share` from here on. The record
// learns which one, or why none.
io::Task<Attempt> find_link(Context& context, ConnectionRecord& record,
                            std::optional<LoadShare>& share) {
    // Held over the waits below, which are bounded; not over the relay's life.
    const ViewPtr view = context.view;
    const model::ServiceView* service = view->mesh->service(record.facts.destination_service);
    Attempt attempt;
    if (auto refusal = check_parties(*view, record)) {
        attempt.flag = refusal.flag;
        attempt.detail = std::move(refusal.why);
        co_return attempt;
    }
    const auto credentials = view->service_credentials.find(record.facts.source_workload);
    if (credentials == view->service_credentials.end()) {
        attempt.detail =
            "no certificate was issued yet for service " + record.facts.source_workload;
        co_return attempt;
    }
    share.emplace(context.loads, record.facts.destination_service);
    if (share->number() > service->service.max_connections) {
        attempt.flag = Flag::overload;
        attempt.detail = "limits.connections of " + record.facts.destination_service;
        co_return attempt;
    }
    record.idle_timeout = service->service.idle_timeout;
    co_return co_await try_endpoints(context, record, view, *service, credentials->second, *share);
}

void refuse(Context& context, io::Socket& socket, ConnectionRecord& record, Flag flag,
            std::string detail) {
    io::reset_on_close(socket);
    io::close(socket);
    end_record(context, record, flag, std::move(detail));
}

io::Task<void> serve(Context& context, io::Socket socket, Call call) {
    const ConnectionCount count(context);
    ConnectionRecord& record = call.record;
    if (call.refused != Flag::none) {
        refuse(context, socket, record, call.refused, std::move(call.detail));
        co_return;
    }
    std::optional<LoadShare> share;
    Attempt attempt = co_await find_link(context, record, share);
    if (!attempt.link) {
        refuse(context, socket, record, attempt.flag, std::move(attempt.detail));
        co_return;
    }
    // The tunnel is declared first, so that it goes last: the relay's stream is part of it.
    const std::shared_ptr<Tunnel> tunnel = std::move(attempt.link->tunnel);
    const std::unique_ptr<Relay> relay = std::move(attempt.link->relay);
    relay->attach(std::move(socket));
    co_await relay_and_record(context, *relay, record);
}

} // namespace

io::Task<void> serve_captured(Context& context, io::Socket socket) {
    Call call = identify_captured(context, socket);
    co_await serve(context, std::move(socket), std::move(call));
}

io::Task<void> serve_upstream(Context& context, io::Socket socket, Upstream upstream) {
    Call call = identify_upstream(context, socket, upstream);
    co_await serve(context, std::move(socket), std::move(call));
}

} // namespace hawser::proxy
