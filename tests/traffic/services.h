// Service views for the tests of decisions.
#pragma once

#include <format>

#include "model/mesh_snapshot.h"

namespace hawser::traffic::test {

struct EndpointSpec {
    std::uint32_t weight = 1;
    model::Health health = model::Health::passing;
    bool alive = true;
};

inline model::ServiceView service_with(std::initializer_list<EndpointSpec> specs,
                                       model::Balance balance = model::Balance::least_request) {
    model::ServiceView view;
    view.service.name = "api";
    view.service.balance = balance;
    for (const EndpointSpec& spec : specs) {
        const auto number = static_cast<std::uint32_t>(view.endpoints.size());
        model::EndpointView endpoint;
        endpoint.node = std::format("web-{}", number);
        endpoint.node_alive = spec.alive;
        endpoint.tunnel = {.address = IpAddress::v4(0x0a000001 + number), .port = 15008};
        endpoint.instance = {.node = endpoint.node,
                             .service = "api",
                             .port = 8080,
                             .weight = spec.weight,
                             .health = spec.health};
        if (endpoint.usable()) view.usable.push_back(number);
        view.endpoints.push_back(std::move(endpoint));
    }
    return view;
}

inline model::Policy policy(std::string name, model::Effect action, std::vector<std::string> from,
                            model::PolicyMode mode = model::PolicyMode::enforce) {
    return {.name = std::move(name),
            .service = "api",
            .action = action,
            .mode = mode,
            .from = std::move(from)};
}

} // namespace hawser::traffic::test
