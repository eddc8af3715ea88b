#include "base/sha256.h"

#include <algorithm>
#include <bit>

namespace hawser {

namespace {

// §4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

std::uint32_t load(const std::uint8_t* bytes) {
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
           std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
}

void store(std::uint32_t word, std::uint8_t* bytes) {
    for (int shift = 24; shift >= 0; shift -= 8)
        *bytes++ = static_cast<std::uint8_t>(word >> shift);
}

} // namespace

void Sha256::add(ByteView bytes) {
    std::size_t filled = length_ % block_bytes;
    length_ += bytes.size();
    while (!bytes.empty()) {
        if (filled == 0 && bytes.size() >= block_bytes) {
            compress(bytes.data());
            bytes = bytes.subspan(block_bytes);
            continue;
        }
        const std::size_t taken = std::min(bytes.size(), block_bytes - filled);
        std::ranges::copy(bytes.first(taken), block_.begin() + static_cast<std::ptrdiff_t>(filled));
        bytes = bytes.subspan(taken);
        filled += taken;
        if (filled < block_bytes) return;
        compress(block_.data());
        filled = 0;
    }
}

// §5.1.1: a one bit, zeros, and the length in bits fill the last block.
std::string Sha256::digest() const {
    Sha256 last = *this;
    std::array<std::uint8_t, block_bytes + 8> padding{0x80};
    const std::size_t filled = length_ % block_bytes;
    const std::size_t zeros = (filled < 56 ? 56 : 120) - filled;
    store(static_cast<std::uint32_t>(length_ >> 29), padding.data() + zeros);
    store(static_cast<std::uint32_t>(length_ << 3), padding.data() + zeros + 4);
    last.add(ByteView(padding).first(zeros + 8));
    std::array<std::uint8_t, 32> bytes{};
    for (std::size_t word = 0; word < last.state_.size(); ++word) {
        store(last.state_[word], bytes.data() + 4 * word);
    }
    return std::string(as_text(bytes));
}

// §6.2.2
void Sha256::compress(const std::uint8_t* block) {
    std::array<std::uint32_t, 64> schedule;
    for (std::size_t t = 0; t < 16; ++t) schedule[t] = load(block + 4 * t);
    for (std::size_t t = 16; t < 64; ++t) {
        const std::uint32_t early = schedule[t - 15];
        const std::uint32_t late = schedule[t - 2];
        schedule[t] = schedule[t - 16] + schedule[t - 7] +
                      (std::rotr(early, 7) ^ std::rotr(early, 18) ^ early >> 3) +
                      (std::rotr(late, 17) ^ std::rotr(late, 19) ^ late >> 10);
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (std::size_t t = 0; t < 64; ++t) {
        const std::uint32_t first = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) +
                                    ((e & f) ^ (~e & g)) + constants[t] + schedule[t];
        const std::uint32_t second =
            (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + first;
        d = c;
        c = b;
        b = a;
        a = first + second;
    }
    const std::array<std::uint32_t, 8> rounds{a, b, c, d, e, f, g, h};
    for (std::size_t word = 0; word < state_.size(); ++word) state_[word] += rounds[word];
}

} // namespace hawser
