// How much chatter a peer may cause: frames that carry no data but cost us work (PING, SETTINGS,
// PRIORITY, empty DATA, refused streams …) take a token each, and tokens come back with time and
// with useful work. A peer that runs out is flooding us. Pure; the caller brings the time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace hawser::http {

class FrameBudget {
  public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::int64_t burst = 4096;
    static constexpr std::int64_t per_second = 512;
    static constexpr std::int64_t per_stream = 3; // HEADERS both ways, and how it ends

    // Useful work: DATA sent or received, a stream begun.
    void earn(std::int64_t tokens) { tokens_ = std::min(burst, tokens_ + tokens); }

    // false: the peer is flooding us.
    [[nodiscard]] bool spend(Time now, std::int64_t tokens = 1) {
        if (tokens_ < tokens) refill(now);
        tokens_ -= tokens;
        return tokens_ >= 0;
    }

  private:
    void refill(Time now) {
        const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - refilled_);
        if (elapsed.count() <= 0) return;
        // The first refill, with an unset time, may fill the bucket: it cannot overfill it.
        const std::int64_t seconds_bound = burst / per_second + 1;
        const std::int64_t ms = std::min<std::int64_t>(elapsed.count(), seconds_bound * 1000);
        refilled_ = now;
        earn(ms * per_second / 1000);
    }

    std::int64_t tokens_ = burst;
    Time refilled_{};
};

} // namespace hawser::http
