// SHA-256 (FIPS 180-4) of bytes that come in pieces: the fingerprint of files. What needs a hash
// for security has one in tls.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace hawser {

class Sha256 {
  public:
    void add(ByteView bytes);
    // Of everything added, 32 bytes; more may be added afterwards.
    [[nodiscard]] std::string digest() const;

  private:
    static constexpr std::size_t block_bytes = 64;
    void compress(const std::uint8_t* block);

    std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<std::uint8_t, block_bytes> block_{}; // begun, not yet full
    std::uint64_t length_ = 0;                      // bytes
};

} // namespace hawser
