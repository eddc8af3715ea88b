// Health as a pure decision: the outcomes of one check over time become a state, and the states of
// an instance's checks become its health.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "model/resources.h"

namespace hawser::host {

struct CheckOutcome {
    model::Health health = model::Health::critical;
    std::string output; // for people, at most limits::health_output_bytes
};

struct CheckThresholds {
    std::uint32_t critical_after = 1; // consecutive critical outcomes
    std::uint32_t passing_after = 1;  // consecutive others, to leave critical
    bool operator==(const CheckThresholds&) const = default;
};

// The first outcome counts at once; later ones against the thresholds.
class CheckState {
  public:
    explicit CheckState(CheckThresholds thresholds) : thresholds_(thresholds) {}

    // Critical until the first outcome.
    [[nodiscard]] model::Health health() const { return health_; }
    [[nodiscard]] const std::string& output() const { return output_; } // of the last outcome
    [[nodiscard]] bool observed() const { return observed_; }
    void observe(CheckOutcome outcome);

  private:
    CheckThresholds thresholds_;
    model::Health health_ = model::Health::critical;
    std::string output_ = "not checked yet";
    std::uint32_t streak_ = 0; // outcomes that speak against health_, in a row
    bool observed_ = false;
};

// The worst of them; passing without any.
[[nodiscard]] model::Health worst(std::span<const model::Health> states);

} // namespace hawser::host
