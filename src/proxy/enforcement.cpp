#include "proxy/enforcement.h"

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <format>
#include <utility>

#include "base/limits.h"
#include "proxy/context.h"
#include "proxy/judge.h"
#include "proxy/tunnel_protocol.h"

namespace hawser::proxy {
namespace {

using traffic::check_quarantine;
using traffic::find_holder;
using traffic::Flag;
using traffic::Refusal;

// As long as other connections may wait for it.
constexpr std::chrono::microseconds slice{500};
constexpr int between_looks = 16; // at the clock

void cut(Context& context, LiveRelay& live, Refusal refusal) {
    context.metrics.counter(telemetry::Metric::connections_cut, {traffic::code(refusal.flag)})
        .add();
    live.relay->cut(cut_code(refusal.flag));
    live.record->cut = std::move(refusal);
}

void judge_first(Context& context) {
    LiveRelay& live = context.relays.front();
    live.record->judged_by = context.view_number;
    context.relays.splice(context.relays.end(), context.relays, context.relays.begin());
    if (live.record->cut) return;
    if (auto refusal = judge(*context.view, *live.record)) cut(context, live, std::move(refusal));
}

// The latest view that all that is open has been judged by.
std::uint64_t in_force(const Context& context) {
    return context.relays.empty() ? context.view_number : context.relays.front().record->judged_by;
}

// true: nothing is left to judge.
bool judge_some(Context& context) {
    const auto end = std::chrono::steady_clock::now() + slice;
    for (int judged = 1; in_force(context) != context.view_number; ++judged) {
        judge_first(context);
        if (judged % between_looks == 0 && std::chrono::steady_clock::now() >= end) break;
    }
    const std::uint64_t reached = in_force(context);
    while (!context.settling.empty() && context.settling.front().number <= reached) {
        const auto tell = std::move(context.settling.front().in_force);
        context.settling.pop_front();
        if (tell) tell();
    }
    return reached == context.view_number;
}

io::Task<void> judge_rest(Context& context) {
    do {
        co_await asio::post(context.executor, asio::use_awaitable_t<io::Executor>{});
    } while (!judge_some(context));
    context.judging = false;
    close_refused_tunnels(context);
}

Refusal refuse_key(const View& view, const TunnelKey& key) {
    using enum model::IdentityKind;
    for (const auto& [kind, name] :
         {std::pair(node, std::string_view(view.node)), std::pair(node, std::string_view(key.node)),
          std::pair(service, std::string_view(key.source))})
        if (auto refusal = check_quarantine(*view.mesh, kind, name)) return refusal;
    return {};
}

} // namespace

void use_view(Context& context, ViewPtr view, std::function<void()> in_force) {
    context.view = std::move(view);
    context.settling.push_back({.number = ++context.view_number, .in_force = std::move(in_force)});
    if (judge_some(context)) return close_refused_tunnels(context);
    if (!context.judging) context.judging = context.tasks.spawn(judge_rest(context));
}

void cut_unproven(Context& context, WallTime now) {
    constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();
    for (LiveRelay& live : context.relays) {
        const ConnectionRecord& record = *live.record;
        if (record.proof == nullptr || record.cut || now <= record.proof->until() + skew) continue;
        cut(context, live,
            {.flag = Flag::unproven,
             .why = "the tunnel's certificates expired on " + format_time(record.proof->until())});
    }
}

void close_refused_tunnels(Context& context) {
    const View& view = *context.view;
    for (InboundPeer& peer : context.inbound_tunnels) {
        const Refusal refusal =
            check_quarantine(*view.mesh, model::IdentityKind::node, view.node)
                ? Refusal{.flag = Flag::quarantined, .why = {}}
                : find_holder(*view.mesh, peer.connection->peer()->identity, peer.generation)
                      .refusal;
        if (refusal) peer.dismissal.go_on(*peer.connection);
    }
    context.pool.close_refused(
        [&view](const TunnelKey& key) { return bool(refuse_key(view, key)); });
}

} // namespace hawser::proxy
