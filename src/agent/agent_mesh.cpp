// What changed, and who is to know: the mesh's state, the certificates and this host's services
// become views for the workers, registrations for the servers, rules for the kernel.
#include <algorithm>
#include <chrono>
#include <utility>

#include "agent/agent.h"
#include "host/interfaces.h"
#include "log/log.h"

namespace hawser::agent {

model::SnapshotPtr Agent::mesh() const {
    if (views_ && views_->current()) return views_->current()->mesh;
    return std::make_shared<const model::MeshSnapshot>();
}

proxy::ViewPtr Agent::make_view() const {
    auto view = std::make_shared<proxy::View>();
    view->node = enrolment_.node;
    view->trust_domain = mesh_->trust_domain();
    view->mesh = mesh_->snapshot();
    view->local = services_->view();
    view->node_credentials = certificates_->node();
    view->service_credentials = certificates_->services();
    return view;
}

void Agent::publish() {
    if (views_) views_->publish(make_view());
}

void Agent::on_mesh() {
    news_.notify();
    news_to_cache_.notify();
    news_while_leaving_.notify();
}

// A change reaches the workers at once; of many in a row, as many as a fifth of this loop's time
// can make snapshots of. The pause is longer only in a mesh whose snapshot takes long to make.
io::Task<void> Agent::spread_news() {
    constexpr std::chrono::milliseconds longest_pause{500};
    while (true) {
        co_await news_.wait();
        const auto begun = std::chrono::steady_clock::now();
        // Publishes by itself if the roots are new; once more doesn't hurt.
        certificates_->set_trust(mesh_->snapshot()->trust());
        publish();
        on_mesh_known();
        const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - begun);
        if (!co_await io::sleep(std::min(spent * 4, longest_pause))) co_return;
    }
}

// The mesh's name and ranges, at the first time and whenever they may have changed.
void Agent::on_mesh_known() {
    const model::TrustDomain& trust = mesh_->snapshot()->trust();
    if (trust.dns_domain != dns_domain_ && !moving_dns_) {
        moving_dns_ = true;
        tasks_.spawn(move_dns(trust.dns_domain));
    }
    if (!interception_) return become_ready();
    if (std::exchange(installing_, true)) {
        interception_->update(trust);
    } else {
        tasks_.spawn(install_interception());
    }
    become_ready();
}

io::Task<void> Agent::install_interception() {
    // Without the note only leftovers of a killed agent are found later, and by status.
    if (auto claimed = state_.claim_kernel(); !claimed)
        log::warn("the kernel rules could not be noted", {{"error", claimed.error()}});
    auto installed = co_await interception_->install(mesh_->snapshot()->trust());
    if (!installed) {
        give_up(std::move(installed.error()));
        co_return;
    }
    log::info("the kernel leads the mesh's addresses here", {});
    become_ready();
}

// Answers for another domain from now on, at the same endpoints.
io::Task<void> Agent::move_dns(std::string domain) {
    co_await dns_->stop();
    dns_.reset();
    auto opened = open_dns(domain);
    moving_dns_ = false;
    if (!opened) give_up(std::move(opened.error()));
}

void Agent::on_enforced(std::uint64_t index) {
    session_->enforced(index);
    become_ready();
}

model::SyncNode Agent::registration() const {
    return {.node = enrolment_.node,
            .zone = config_.zone,
            .tunnel = advertised_tunnel(),
            .version = options_.version,
            .instances = services_->instances()};
}

// What was configured, else the address this host has towards the servers.
Endpoint Agent::advertised_tunnel() const {
    Endpoint endpoint = config_.tunnel_advertise.value_or(bound_.tunnel);
    if (endpoint.port == 0) endpoint.port = bound_.tunnel.port;
    if (!endpoint.address.is_unspecified()) return endpoint;
    for (const Endpoint& server : servers_.in_turn()) {
        const auto own = host::source_address(server);
        if (!own) continue;
        endpoint.address = *own;
        break;
    }
    return endpoint;
}

v1::MeshChanges Agent::cacheable() const {
    v1::MeshChanges state = mesh_->dump();
    for (const Endpoint& server : servers_.all()) state.add_servers(server.to_string());
    return state;
}

} // namespace hawser::agent
