#include "base/random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>

#include "base/check.h"

namespace hawser {

namespace {

// splitmix64 (public domain, Vigna): spreads one seed over the whole state, which is never zero.
std::uint64_t next_seed(std::uint64_t& counter) {
    std::uint64_t z = counter += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

} // namespace

Random::Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = next_seed(seed);
}

std::uint64_t Random::next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

std::uint64_t Random::below(std::uint64_t bound) {
    HAWSER_CHECK(bound > 0);
    // Rejects the top values that would make some results likelier than others.
    const std::uint64_t surplus = -bound % bound; // 2^64 mod bound
    std::uint64_t value;
    do {
        value = next();
    } while (value < surplus);
    return value % bound;
}

double Random::unit() {
    return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

void fill_secure_random(std::span<std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
        HAWSER_CHECK(got > 0 || (got < 0 && errno == EINTR));
        if (got > 0) bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
}

} // namespace hawser
