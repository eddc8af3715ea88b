// Keys and signatures of the curve P-256 (SEC 1, FIPS 186-5), which are nearly all that a handshake
// costs. The arithmetic is OpenSSL's assembler, many times as fast as mbedTLS's; in constant time
// wherever something is secret. Values in, values out; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace hawser::tls {

using P256Number = std::array<std::uint8_t, 32>; // big-endian
struct P256Point {
    P256Number x, y;
    friend bool operator==(const P256Point&, const P256Point&) = default;
};
struct P256Signature {
    P256Number r, s;
};

// Whether this build has it: x86-64 only. Where not, none of the others may be called.
[[nodiscard]] bool p256_runs_here();

// None: the secret is not in [1, n).
[[nodiscard]] std::optional<P256Point> p256_public_key(const P256Number& secret);
// ECDH: the x of secret × point. None: the same, or the point is not on the curve.
[[nodiscard]] std::optional<P256Number> p256_shared_secret(const P256Number& secret,
                                                           const P256Point& point);
// ECDSA of a hash's first 32 bytes. Whoever knows a nonce, or sees two signatures with the same
// one, knows the key. None: key or nonce are not in [1, n), or (never seen) another nonce is
// needed.
[[nodiscard]] std::optional<P256Signature> p256_sign(const P256Number& key, const P256Number& hash,
                                                     const P256Number& nonce);
[[nodiscard]] bool p256_verify(const P256Point& key, const P256Number& hash,
                               const P256Signature& signature);

} // namespace hawser::tls
