#include "proxy/load.h"

#include <utility>

namespace hawser::proxy {

std::shared_ptr<HostCounts::Count> HostCounts::of(const std::string& service) {
    const std::lock_guard lock(mutex_);
    if (auto known = counts_[service].lock()) return known;
    std::erase_if(counts_, [](const auto& entry) { return entry.second.expired(); });
    auto made = std::make_shared<Count>(0);
    counts_[service] = made;
    return made;
}

ServiceLoad& ServiceLoads::of(const std::string& service) {
    ServiceLoad& load = services_[service];
    if (load.on_host == nullptr) load.on_host = host_->of(service);
    return load;
}

void ServiceLoads::forget_gone(const model::MeshSnapshot& mesh) {
    std::erase_if(services_, [&mesh](const auto& entry) {
        return entry.second.open_connections == 0 && mesh.service(entry.first) == nullptr;
    });
}

LoadShare::LoadShare(ServiceLoads& loads, const std::string& service)
    : load_(loads.of(service)), number_(++*load_.on_host) {
    ++load_.open_connections;
}

LoadShare::~LoadShare() {
    leave_instance();
    --load_.open_connections;
    --*load_.on_host;
}

void LoadShare::choose(std::string instance) {
    leave_instance();
    instance_ = std::move(instance);
    ++load_.by_instance[instance_];
}

void LoadShare::leave_instance() {
    const auto left = load_.by_instance.find(instance_);
    if (left != load_.by_instance.end() && --left->second == 0) load_.by_instance.erase(left);
}

std::vector<traffic::EndpointLoad> loads_of(const ServiceLoad& load,
                                            const model::ServiceView& service) {
    std::vector<traffic::EndpointLoad> loads(service.endpoints.size());
    for (std::size_t i = 0; i < loads.size(); ++i) {
        const auto known = load.by_instance.find(service.endpoints[i].instance.key());
        if (known != load.by_instance.end()) loads[i].open_connections = known->second;
    }
    return loads;
}

} // namespace hawser::proxy
