// What an agent says about itself: `hawser status`, `hawser intercept status`, its metrics.
#include <algorithm>
#include <asio/post.hpp>
#include <format>
#include <utility>

#include "agent/agent.h"
#include "base/units.h"
#include "io/clock.h"
#include "model/codec.h"

namespace hawser::agent {
namespace {

constexpr std::chrono::milliseconds worker_deadline{1'000};

// Collects the workers' answers; shared with answers that come too late.
struct WorkerAnswers {
    explicit WorkerAnswers(io::Executor executor) : arrived(executor) {}
    std::vector<proxy::WorkerState> states;
    std::size_t missing = 0;
    io::Signal arrived;
};

std::string lines(const std::vector<std::string>& all, std::string_view prefix) {
    std::string text;
    for (const std::string& line : all) text += std::format("{} {}\n", prefix, line);
    return text;
}

} // namespace

io::Task<std::vector<proxy::WorkerState>> Agent::worker_states() {
    if (!views_) co_return std::vector<proxy::WorkerState>();
    auto answers = std::make_shared<WorkerAnswers>(control_.executor());
    answers->missing = workers_.size();
    for (const auto& worker : workers_) {
        worker->with_state(
            [answers, executor = control_.executor()](const proxy::WorkerState& state) {
                asio::post(executor, [answers, state] {
                    answers->states.push_back(state);
                    if (--answers->missing == 0) answers->arrived.notify();
                });
            });
    }
    (void)co_await answers->arrived.wait_for(worker_deadline);
    co_return answers->states;
}

io::Task<v1::AgentStatusResponse> Agent::status() {
    const std::vector<proxy::WorkerState> workers = co_await worker_states();
    v1::AgentStatusResponse status;
    status.set_node(enrolment_.node);
    status.set_version(options_.version);
    status.set_started_at_ms(started_at_);
    status.set_intercept_mode(transparent_ ? "transparent" : "explicit");
    status.set_workers(static_cast<std::uint32_t>(workers_.size()));
    for (const proxy::WorkerState& worker : workers) {
        status.set_open_connections(status.open_connections() + worker.open_connections);
        status.set_tunnels(status.tunnels() + worker.tunnels);
    }
    for (LocalServiceReport& report : services_->report()) {
        v1::LocalService& service = *status.add_services();
        service.set_name(std::move(report.name));
        service.set_port(report.port);
        service.set_health(model::to_proto(report.health.health));
        service.set_reason(std::move(report.health.reason));
        service.set_owner(std::move(report.owner));
    }
    if (session_) add_control_status(status);
    add_warnings(status);
    co_return status;
}

void Agent::add_control_status(v1::AgentStatusResponse& status) const {
    for (CertificateReport& report : certificates_->report()) {
        v1::CertificateState& certificate = *status.add_certificates();
        certificate.set_identity(report.id.to_uri());
        certificate.set_not_after_ms(report.not_after);
        certificate.set_renews_at_ms(report.renews_at);
        certificate.set_last_error(std::move(report.last_error));
    }
    const ControlState& control = session_->state();
    status.set_trust_domain(mesh_->trust_domain());
    if (control.server) {
        status.set_server(control.server->to_string());
        status.set_server_since_ms(control.since);
    }
    status.set_received_index(mesh_->index());
    status.set_enforced_index(views_->enforced());
    status.set_from_cache(mesh_->known() && !control.heard);
    status.set_mesh_services(static_cast<std::uint32_t>(mesh_->snapshot()->services().size()));
    std::size_t instances = 0;
    for (const model::ServiceView& service : mesh_->snapshot()->services())
        instances += service.endpoints.size();
    status.set_mesh_instances(static_cast<std::uint32_t>(instances));
}

// What of the quarantines concerns this host.
void Agent::add_quarantines(v1::AgentStatusResponse& status) const {
    const model::MeshSnapshot& mesh = *mesh_->snapshot();
    for (const model::Quarantine& row : mesh.quarantines()) {
        const bool node = row.subject_kind == model::IdentityKind::node;
        if (node ? row.subject != enrolment_.node : !services_->view()->has(row.subject)) continue;
        status.add_warnings(
            std::format("{} {} is in quarantine since {}{}{}: nothing is carried from it or to it",
                        node ? "node" : "service", row.subject, format_time(row.since),
                        row.reason.empty() ? "" : ": ", row.reason));
    }
}

void Agent::add_warnings(v1::AgentStatusResponse& status) const {
    const auto warn = [&](std::string text) { status.add_warnings(std::move(text)); };
    if (!leftovers_error_.empty())
        warn("kernel rules that an earlier run left are still there: " + leftovers_error_);
    if (!session_) return warn(missing_for_ready());
    add_quarantines(status);
    for (const std::string& problem : files_->problems())
        warn(problem + " (what it said before stays in force)");
    const ControlState& control = session_->state();
    if (!control.server) {
        warn(control.last_error.empty() ? "no server reached yet"
                                        : "no server: " + control.last_error);
    }
    if (!control.refusal.empty())
        warn("the mesh refuses this host's registration: " + control.refusal);
    add_certificate_warnings(status);
    if (!interception_) return;
    if (!interception_->intact())
        warn("the kernel rules are not in place: " + interception_->last_error());
    for (const Endpoint& nameserver : interception_->uncaptured()) {
        warn(
            std::format("names of the mesh are not found when a program asks {} of resolv.conf: "
                        "beside this host's own resolver no other is captured",
                        nameserver.address.to_string()));
    }
}

io::Task<Result<host::KernelStatus>> Agent::kernel_status() {
    if (interception_) co_return co_await interception_->status();
    co_return co_await kernel_leftovers(control_.executor()); // none are intended
}

io::Task<Result<v1::InterceptStatusResponse>> Agent::intercept_status() {
    v1::InterceptStatusResponse response;
    response.set_mode(transparent_ ? "transparent" : "explicit");
    auto status = co_await kernel_status();
    if (!status) co_return fail(std::move(status.error()));
    response.set_matches(status->matches);
    if (interception_) response.set_intended(interception_->intended());
    response.set_actual(status->listing);
    response.set_difference(lines(status->missing, "-") + lines(status->added, "+"));
    co_return response;
}

void Agent::refresh_metrics(telemetry::WorkerMetrics& metrics) {
    using telemetry::Metric;
    metrics.gauge(Metric::build_info, {options_.version, options_.commit}).set(1);
    metrics.gauge(Metric::config_index).set(static_cast<double>(views_->enforced()));
    metrics.gauge(Metric::server_connected).set(session_->state().server ? 1 : 0);
    if (interception_)
        metrics.gauge(Metric::interception_intact).set(interception_->intact() ? 1 : 0);
    refresh_certificate_metrics(metrics);
    metrics.clear(Metric::instance_health); // services come and go
    for (const model::Instance& instance : services_->instances()) {
        for (const auto health :
             {model::Health::passing, model::Health::warning, model::Health::critical}) {
            metrics
                .gauge(Metric::instance_health,
                       {instance.service, std::to_string(instance.port), model::to_string(health)})
                .set(instance.health == health ? 1 : 0);
        }
    }
    if (dns_) {
        for (std::size_t result = 0; result < dns_->counts().size(); ++result) {
            const auto label = host::to_string(static_cast<host::DnsResult>(result));
            metrics.counter(Metric::dns_queries, {label}).value = dns_->counts()[result];
        }
    }
    metrics.counter(Metric::access_log_records).value = access_log_->written();
    metrics.counter(Metric::access_log_dropped).value = access_log_->dropped();
}

} // namespace hawser::agent
