#include "traffic/balancer.h"

namespace hawser::traffic {
namespace {

bool candidate(std::span<const EndpointLoad> loads, std::uint32_t endpoint) {
    return endpoint >= loads.size() || !loads[endpoint].avoid;
}

std::uint64_t total_weight(const model::ServiceView& service, std::span<const EndpointLoad> loads) {
    std::uint64_t total = 0;
    for (const std::uint32_t endpoint : service.usable)
        if (candidate(loads, endpoint)) total += service.endpoints[endpoint].instance.weight;
    return total;
}

// The candidate that holds `ticket` of 0 … total_weight − 1.
std::uint32_t at_weight(const model::ServiceView& service, std::span<const EndpointLoad> loads,
                        std::uint64_t ticket) {
    std::uint32_t last = 0;
    for (const std::uint32_t endpoint : service.usable) {
        if (!candidate(loads, endpoint)) continue;
        last = endpoint;
        const std::uint64_t weight = service.endpoints[endpoint].instance.weight;
        if (ticket < weight) break;
        ticket -= weight;
    }
    return last;
}

// Connections per weight, compared without division: a.connections / a.weight ≤ b's.
bool no_more_loaded(const model::ServiceView& service, std::span<const EndpointLoad> loads,
                    std::uint32_t a, std::uint32_t b) {
    const auto load = [&](std::uint32_t endpoint) -> std::uint64_t {
        return endpoint < loads.size() ? loads[endpoint].open_connections : 0;
    };
    const auto weight = [&](std::uint32_t endpoint) -> std::uint64_t {
        return service.endpoints[endpoint].instance.weight;
    };
    return (load(a) + 1) * weight(b) <= (load(b) + 1) * weight(a);
}

} // namespace

Choice choose_endpoint(const model::ServiceView& service, std::span<const EndpointLoad> loads,
                       Random& random, std::uint32_t& turn) {
    const std::uint64_t total = total_weight(service, loads);
    if (total == 0) return {};
    const auto draw = [&] { return at_weight(service, loads, random.below(total)); };
    switch (service.service.balance) {
        case model::Balance::round_robin:
            return {.found = true, .endpoint = at_weight(service, loads, turn++ % total)};
        case model::Balance::random: return {.found = true, .endpoint = draw()};
        case model::Balance::least_request: break;
    }
    const std::uint32_t first = draw();
    const std::uint32_t second = draw();
    return {.found = true,
            .endpoint = no_more_loaded(service, loads, first, second) ? first : second};
}

} // namespace hawser::traffic
