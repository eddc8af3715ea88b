// Counting voters.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "raft/configuration.h"

namespace hawser::raft {

// The greatest value that a majority of the voters has reached; at least one voter there must be.
template <typename ValueOf>
[[nodiscard]] auto reached_by_majority(const Configuration& configuration, ValueOf value_of) {
    std::vector<decltype(value_of(no_server))> values;
    values.reserve(configuration.voters.size());
    for (const ServerId voter : configuration.voters) values.push_back(value_of(voter));
    const auto reached = values.begin() + static_cast<std::ptrdiff_t>(configuration.quorum() - 1);
    std::nth_element(values.begin(), reached, values.end(), std::greater<>());
    return *reached;
}

} // namespace hawser::raft
