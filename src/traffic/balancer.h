// Which instance gets the next connection. Pure: what a worker has seen so far is passed in.
#pragma once

#include <cstdint>
#include <span>

#include "base/random.h"
#include "model/mesh_snapshot.h"

namespace hawser::traffic {

// What one worker knows of one instance beyond the registry: the input to least_request and to
// the choice of another instance after a failure.
struct EndpointLoad {
    std::uint32_t open_connections = 0;
    bool avoid = false; // it just failed this very request
};

// The chosen index into service.endpoints, or nothing when no usable endpoint is left. `loads` is
// parallel to service.endpoints. `turn` is the caller's counter for round_robin, advanced here.
//
// least_request: the less loaded (connections per weight) of two drawn at random, which stays
// close to the optimum without looking at all (Mitzenmacher, "The Power of Two Choices", 2001).
// Weights: a draw picks an instance in proportion to its weight. If every usable instance is to be
// avoided, none is chosen.
struct Choice {
    bool found = false;
    std::uint32_t endpoint = 0;
};
[[nodiscard]] Choice choose_endpoint(const model::ServiceView& service,
                                     std::span<const EndpointLoad> loads, Random& random,
                                     std::uint32_t& turn);

} // namespace hawser::traffic
