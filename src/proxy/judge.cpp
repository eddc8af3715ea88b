#include "proxy/judge.h"

#include <format>

#include "traffic/authorizer.h"

namespace hawser::proxy {
namespace {

using model::IdentityKind;
using telemetry::AccessRecord;
using telemetry::Reporter;
using traffic::check_instance;
using traffic::check_quarantine;
using traffic::find_holder;
using traffic::Flag;
using traffic::Refusal;

// The caller, at its own agent.
Refusal check_local_caller(const View& view, const AccessRecord& facts) {
    if (auto refusal = check_quarantine(*view.mesh, IdentityKind::service, facts.source_workload))
        return refusal;
    const LocalServices& local = *view.local;
    const bool speaks = facts.has_uid ? local.owned_by(facts.uid) == facts.source_workload
                                      : local.has(facts.source_workload);
    if (speaks) return {};
    return {.flag = Flag::deregistered,
            .why = std::format("the caller is no longer {} on this host", facts.source_workload)};
}

// The instance, at the caller's agent.
Refusal check_far_instance(const View& view, const ConnectionRecord& record) {
    const AccessRecord& facts = record.facts;
    const model::ServiceView* service = view.mesh->service(facts.destination_service);
    if (service == nullptr)
        return {.flag = Flag::no_route,
                .why = std::format("there is no service {}", facts.destination_service)};
    if (record.port == 0) return {};
    if (auto refusal = check_quarantine(*view.mesh, IdentityKind::node, facts.destination_node))
        return refusal;
    return check_instance(*service, facts.destination_node, record.port);
}

// The instance, at its own agent.
Refusal check_local_instance(const View& view, const ConnectionRecord& record) {
    const std::string& service = record.facts.destination_service;
    if (view.mesh->service(service) != nullptr && view.local->find(service, record.port) != nullptr)
        return {};
    return {.flag = Flag::deregistered,
            .why = std::format("this host does not offer {} at port {}", service, record.port)};
}

bool at_caller(const ConnectionRecord& record) {
    return record.facts.reporter == Reporter::source;
}

} // namespace

Refusal check_parties(const View& view, const ConnectionRecord& record) {
    const AccessRecord& facts = record.facts;
    if (auto refusal = check_quarantine(*view.mesh, IdentityKind::node, view.node)) return refusal;
    auto caller = at_caller(record)
                      ? check_local_caller(view, facts)
                      : find_holder(*view.mesh, record.caller, record.caller_generation).refusal;
    if (caller) return caller;
    if (auto refusal =
            check_quarantine(*view.mesh, IdentityKind::service, facts.destination_service))
        return refusal;
    return at_caller(record) ? check_far_instance(view, record)
                             : check_local_instance(view, record);
}

Refusal judge(const View& view, ConnectionRecord& record) {
    if (auto refusal = check_parties(view, record)) return refusal;
    const model::ServiceView* service = view.mesh->service(record.facts.destination_service);
    const traffic::Verdict verdict = traffic::authorize(*service, record.caller);
    const bool newly = record.policy_known || !at_caller(record);
    if (verdict.allowed) record.policy_known = true;
    if (verdict.allowed || !newly) return {};
    record.facts.policy = verdict.rule;
    return {.flag = Flag::policy_denied,
            .why = std::format("{} may not call {}", record.caller.to_uri(),
                               record.facts.destination_service)};
}

} // namespace hawser::proxy
