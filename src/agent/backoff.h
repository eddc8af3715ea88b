// How long to wait before the next try: doubling up to a cap, with jitter, so that the agents of a
// mesh don't all come back to a restarted server in the same moment. Pure.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/random.h"

namespace hawser::agent {

class Backoff {
  public:
    using Delay = std::chrono::milliseconds;
    constexpr Backoff(Delay first, Delay cap) : first_(first), cap_(cap), next_(first) {}

    // Between half of the current step and all of it.
    [[nodiscard]] Delay next(Random& random) {
        const Delay step = next_;
        next_ = std::min(cap_, next_ * 2);
        return Delay(step.count() / 2 + static_cast<Delay::rep>(random.unit() * 0.5 *
                                                                static_cast<double>(step.count())));
    }
    void reset() { next_ = first_; }

  private:
    Delay first_, cap_, next_;
};

} // namespace hawser::agent
