// The services of this host while the agent runs: what services.d says now becomes checks,
// certificates, listeners, kernel rules, a view and a registration, and nothing of a service that
// stays as it is notices.
#include <algorithm>
#include <utility>

#include "agent/agent.h"
#include "host/accounts.h"
#include "io/socket.h"
#include "log/log.h"

namespace hawser::agent {

void Agent::watch_services() {
    files_ = std::make_unique<ServiceFiles>(
        control_.executor(),
        ServiceFilesOptions{
            .folder = config_.services_dir,
            .rule = [this](const config::ServiceConfig& service) { return check_service(service); },
            .current = [this]() -> const auto& { return config_.services; },
            .use =
                [this](std::vector<config::ServiceConfig> now) { use_services(std::move(now)); }});
    files_->start();
}

// What would keep the agent from starting with it.
Result<void> Agent::check_service(const config::ServiceConfig& service) const {
    if (service.user) {
        if (auto uid = host::user_id(*service.user); !uid)
            return fail(std::move(uid.error()), service.user_place);
    }
    for (const config::UpstreamConfig& upstream : service.upstreams) {
        const bool ours =
            std::ranges::contains(bound_.upstreams, upstream.listen, &proxy::Upstream::listen);
        if (ours) continue;
        if (auto free = io::listen_tcp(control_.executor(), upstream.listen); !free)
            return fail(std::move(free.error()), upstream.place);
    }
    return {};
}

void Agent::use_services(std::vector<config::ServiceConfig> services) {
    if (auto used = services_->update(services); !used)
        return log::error("the services of this host stay as they are", {{"error", used.error()}});
    config_.services = std::move(services);
    bound_.upstreams = services_->upstreams();
    certificates_->set_services(services_->names());
    for (const auto& worker : workers_) {
        worker->set_upstreams(bound_.upstreams, [](const Result<void>& opened) {
            if (!opened) log::error("a listener could not be opened", {{"error", opened.error()}});
        });
    }
    if (interception_) interception_->set_service_ports(services_->ports());
    publish();
    session_->registration_changed();
}

} // namespace hawser::agent
