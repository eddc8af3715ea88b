// What strangers cause must not become a flood of the log: so many lines a second, and then how
// many were left out. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace hawser::log {

class Limiter {
  public:
    using Clock = std::chrono::steady_clock;
    explicit Limiter(int lines_per_second = 10) : lines_per_second_(lines_per_second) {}

    // Asked for each line: how many were left out before it; nothing: leave this one out, too.
    [[nodiscard]] std::optional<std::uint64_t> admit(Clock::time_point now = Clock::now()) {
        if (now - second_begun_ >= std::chrono::seconds(1)) {
            second_begun_ = now;
            this_second_ = 0;
        }
        if (this_second_ == lines_per_second_) {
            ++left_out_;
            return std::nullopt;
        }
        ++this_second_;
        return std::exchange(left_out_, 0);
    }

  private:
    int lines_per_second_;
    Clock::time_point second_begun_{};
    int this_second_ = 0;
    std::uint64_t left_out_ = 0;
};

} // namespace hawser::log
