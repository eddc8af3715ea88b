// What an agent tells of its certificates, and renewing them when somebody asks.
#include <algorithm>
#include <format>
#include <utility>

#include "agent/agent.h"
#include "io/clock.h"
#include "rpc/certificate_info.h"

namespace hawser::agent {
namespace {

v1::CertificateInfo info_of(const CertificateReport& report, WallTime now) {
    v1::CertificateInfo info;
    info.set_identity(report.id.to_uri());
    info.set_kind(report.id.kind == model::IdentityKind::node ? "node" : "service");
    info.set_issued_at_ms(report.not_after == 0 ? 0 : report.issued);
    info.set_not_after_ms(report.not_after);
    info.set_renews_at_ms(report.renews_at);
    info.set_last_error(report.last_error);
    rpc::judge_leaf(info, now);
    return info;
}

std::string warning_of(const v1::CertificateInfo& info) {
    const std::string why = info.last_error().empty() ? "" : ": " + info.last_error();
    const std::string end = format_time(info.not_after_ms());
    if (info.state() == "missing")
        return std::format("no certificate for {}{}", info.identity(), why);
    if (info.state() == "expired")
        return std::format("the certificate of {} expired at {}{}", info.identity(), end, why);
    if (info.state() == "expires_soon")
        return std::format("the certificate of {} expires soon, at {}, and was not renewed{}",
                           info.identity(), end, why);
    if (!why.empty())
        return std::format("the certificate of {} expires at {} and was not renewed{}",
                           info.identity(), end, why);
    return "";
}

// An identity, or the end of one: "svc/api".
bool is_named(const model::Identity& id, std::string_view name) {
    const std::string uri = id.to_uri();
    return uri == name || uri.ends_with("/" + std::string(name));
}

} // namespace

v1::CertificatesResponse Agent::certificates() const {
    const WallTime now = io::wall_now();
    v1::CertificatesResponse response;
    response.set_daemon("agent");
    response.set_node(enrolment_.node);
    response.set_now_ms(now);
    if (!certificates_) return response;
    for (const CertificateReport& report : certificates_->report())
        *response.add_certificates() = info_of(report, now);
    rpc::add_authorities(response, certificates_->trust().roots,
                         certificates_->trust().intermediates, now);
    response.set_succeeded(certificates_->counts().ok);
    response.set_failed(certificates_->counts().failed);
    return response;
}

io::Task<Result<v1::RenewCertificatesResponse>> Agent::renew(std::string identity) {
    if (!certificates_)
        co_return fail(ErrorCode::failed_precondition, "this host has not joined a mesh yet");
    std::vector<model::Identity> chosen;
    for (const CertificateReport& report : certificates_->report())
        if (identity.empty() || is_named(report.id, identity)) chosen.push_back(report.id);
    if (chosen.empty() || (chosen.size() > 1 && !identity.empty())) {
        co_return fail(ErrorCode::not_found,
                       std::format("{} is {} of this agent; see hawser cert list", quote(identity),
                                   chosen.empty() ? "no identity" : "more than one identity"));
    }
    if (auto renewed = co_await certificates_->renew_now(chosen); !renewed)
        co_return fail(std::move(renewed.error()));
    v1::RenewCertificatesResponse response;
    for (const CertificateReport& report : certificates_->report())
        if (std::ranges::contains(chosen, report.id))
            *response.add_certificates() = info_of(report, io::wall_now());
    co_return response;
}

void Agent::add_certificate_warnings(v1::AgentStatusResponse& status) const {
    for (const CertificateReport& report : certificates_->report()) {
        std::string warning = warning_of(info_of(report, io::wall_now()));
        if (!warning.empty()) status.add_warnings(std::move(warning));
    }
}

void Agent::refresh_certificate_metrics(telemetry::WorkerMetrics& metrics) const {
    using telemetry::Metric;
    metrics.clear(Metric::certificate_expiry_seconds); // services come and go
    for (const CertificateReport& report : certificates_->report()) {
        metrics.gauge(Metric::certificate_expiry_seconds, {report.id.to_uri()})
            .set(static_cast<double>(report.not_after - io::wall_now()) / 1000);
    }
    metrics.counter(Metric::certificate_renewals, {"ok"}).value = certificates_->counts().ok;
    metrics.counter(Metric::certificate_renewals, {"failed"}).value =
        certificates_->counts().failed;
}

} // namespace hawser::agent
