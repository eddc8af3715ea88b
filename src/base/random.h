// Randomness as an interface, so that pure rooms stay deterministic under test.
#pragma once

#include <cstdint>
#include <span>

namespace hawser {

// Fast, not for secrets: balancing, jitter. (xoshiro256**, public domain, Blackman and Vigna.)
class Random {
  public:
    explicit Random(std::uint64_t seed);
    [[nodiscard]] std::uint64_t next();
    // Uniform in [0, bound); bound > 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t bound);
    // Uniform in [0, 1).
    [[nodiscard]] double unit();

  private:
    std::uint64_t state_[4];
};

// Fills with bytes from the kernel (getrandom), fit for keys and tokens. Aborts if the kernel
// has none to give: nothing secure can go on.
void fill_secure_random(std::span<std::uint8_t> bytes);

} // namespace hawser
