#include "proxy/record.h"

#include "io/clock.h"
#include "proxy/context.h"
#include "proxy/judge.h"
#include "proxy/tunnel_protocol.h"

namespace hawser::proxy {
namespace {

using telemetry::Reporter;
using traffic::Flag;

Flag flag_of(RelayEnd end, const Relay& relay, const ConnectionRecord& record) {
    // The caller's end of a relay is the socket at its own agent, the stream at the other one.
    const bool at_caller = record.facts.reporter == Reporter::source;
    switch (end) {
        case RelayEnd::cut: return record.cut.flag;
        case RelayEnd::clean: return Flag::none;
        case RelayEnd::socket_reset:
            return at_caller ? Flag::downstream_reset : Flag::upstream_reset;
        case RelayEnd::stream_reset:
            // The other agent may have said why.
            if (const Flag told = flag_of_cut(relay.close_code().value_or(http::H2Code::no_error));
                told != Flag::none)
                return told;
            return at_caller ? Flag::upstream_reset : Flag::downstream_reset;
    }
    return Flag::none;
}

telemetry::ConnectionMetrics counters(Context& context, const ConnectionRecord& record, Flag flag) {
    const telemetry::AccessRecord& facts = record.facts;
    std::string destination = facts.destination_service;
    if (!destination.empty()) destination += "." + context.view->mesh->trust().dns_domain;
    return context.metrics.connection({
        .reporter = telemetry::to_string(facts.reporter),
        .source_workload = facts.source_workload,
        .source_principal = facts.source_principal,
        .destination_service = destination,
        .destination_workload = facts.destination_service,
        .destination_principal = facts.destination_principal,
        .response_flags = traffic::code(flag),
        .connection_security_policy = record.in_tunnel ? "mutual_tls" : "none",
    });
}

// Tells the relay's bytes since the last time, from the caller's point of view.
void count_bytes(LiveRelay& live) {
    const RelayBytes& now = live.relay->bytes();
    const bool at_caller = live.record->facts.reporter == Reporter::source;
    live.counters.received_bytes->add(at_caller ? now.sent - live.told.sent
                                                : now.received - live.told.received);
    live.counters.sent_bytes->add(at_caller ? now.received - live.told.received
                                            : now.sent - live.told.sent);
    live.told = now;
}

// A relay in the context's list for as long as it runs, also when its task is cancelled.
class Live {
  public:
    // The record is judged by the current view.
    Live(Context& context, Relay& relay, ConnectionRecord& record)
        : context_(context),
          entry_(context.relays.insert(context.relays.end(),
                                       LiveRelay{.relay = &relay,
                                                 .record = &record,
                                                 .counters = counters(context, record, Flag::none),
                                                 .told = {},
                                                 .idle = Duration{0}})) {
        entry_->counters.opened->add();
        context.metrics
            .histogram(telemetry::Metric::connect_seconds,
                       {telemetry::to_string(record.facts.reporter)})
            .observe(std::chrono::steady_clock::now() - record.began);
    }
    ~Live() {
        count_bytes(*entry_);
        context_.relays.erase(entry_);
    }
    Live(const Live&) = delete;
    Live& operator=(const Live&) = delete;

  private:
    Context& context_;
    std::list<LiveRelay>::iterator entry_;
};

void write_access_log(Context& context, ConnectionRecord& record, Flag flag, std::string detail) {
    if (!context.access_log.wants(traffic::code(flag))) return;
    telemetry::AccessRecord& facts = record.facts;
    facts.duration = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - record.began);
    facts.flag = traffic::code(flag);
    facts.flag_words = flag == Flag::none ? std::string_view() : traffic::words(flag);
    facts.detail = std::move(detail);
    context.access_log.write(std::move(facts));
}

} // namespace

ConnectionRecord begin_record(Reporter reporter) {
    ConnectionRecord record;
    record.facts.reporter = reporter;
    record.facts.time = io::wall_now();
    record.began = std::chrono::steady_clock::now();
    return record;
}

model::Identity service_identity(std::string_view trust_domain, std::string_view service) {
    return {.trust_domain = std::string(trust_domain),
            .kind = model::IdentityKind::service,
            .name = std::string(service)};
}

void end_record(Context& context, ConnectionRecord& record, Flag flag, std::string detail) {
    context.metrics.counter(telemetry::Metric::connections_refused, {traffic::code(flag)}).add();
    const auto counted = counters(context, record, flag);
    counted.opened->add();
    counted.closed->add();
    write_access_log(context, record, flag, std::move(detail));
}

io::Task<void> relay_and_record(Context& context, Relay& relay, ConnectionRecord& record) {
    RelayEnd end = RelayEnd::clean;
    record.judged_by = context.view_number;
    if ((record.cut = judge(*context.view, record))) relay.cut(cut_code(record.cut.flag));
    {
        const Live live(context, relay, record);
        end = co_await relay.run();
    }
    const Flag flag = flag_of(end, relay, record);
    counters(context, record, flag).closed->add();
    const bool at_caller = record.facts.reporter == Reporter::source;
    record.facts.sent_bytes = at_caller ? relay.bytes().received : relay.bytes().sent;
    record.facts.received_bytes = at_caller ? relay.bytes().sent : relay.bytes().received;
    write_access_log(context, record, flag,
                     end == RelayEnd::cut ? std::move(record.cut.why) : std::string());
}

void account_live_relays(Context& context, Duration since_last) {
    for (LiveRelay& live : context.relays) {
        const RelayBytes& now = live.relay->bytes();
        const bool moved = now.sent != live.told.sent || now.received != live.told.received;
        count_bytes(live);
        live.idle = moved ? Duration{0} : live.idle + since_last;
        const Duration limit = live.record->idle_timeout;
        if (limit.count() == 0 || live.idle < limit || live.record->cut) continue;
        live.record->cut.flag = Flag::idle_timeout;
        live.relay->cut(http::H2Code::cancel);
    }
}

} // namespace hawser::proxy
