#include "host/check_state.h"

#include <algorithm>

#include "base/limits.h"

namespace hawser::host {

using model::Health;

void CheckState::observe(CheckOutcome outcome) {
    output_ = std::move(outcome.output);
    if (output_.size() > limits::health_output_bytes) output_.resize(limits::health_output_bytes);
    const bool was_critical = health_ == Health::critical;
    const bool is_critical = outcome.health == Health::critical;
    if (!std::exchange(observed_, true) || was_critical == is_critical) {
        health_ = outcome.health;
        streak_ = 0;
        return;
    }
    const std::uint32_t needed =
        is_critical ? thresholds_.critical_after : thresholds_.passing_after;
    if (++streak_ < needed) return;
    health_ = outcome.health;
    streak_ = 0;
}

Health worst(std::span<const Health> states) {
    if (states.empty()) return Health::passing;
    return *std::ranges::max_element(states);
}

} // namespace hawser::host
