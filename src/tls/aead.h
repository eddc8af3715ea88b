// One key of an AEAD cipher (RFC 5116) as TLS 1.3 uses it: nonces of 12 bytes, tags of 16, in place
// and without allocation. Behind it are two libraries: intel-ipsec-mb for AES-GCM on processors
// that have the instructions, for it is many times as fast; mbedTLS for all else. One thread at a
// time for each object.
#pragma once

#include <mbedtls/cipher.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace hawser::tls {

inline constexpr std::size_t nonce_bytes = 12;
inline constexpr std::size_t tag_bytes = 16;

using Nonce = std::array<std::uint8_t, nonce_bytes>;

class Aead {
  public:
    virtual ~Aead() = default;

    // Encrypts in place; the tag follows the plaintext in memory.
    virtual void seal(const Nonce& nonce, ByteView aad, std::uint8_t* plaintext,
                      std::size_t count) = 0;
    // Decrypts in place. false: it was changed or is of another key, and nothing of the plaintext
    // is left in memory. At least tag_bytes long.
    [[nodiscard]] virtual bool open(const Nonce& nonce, ByteView aad,
                                    std::span<std::uint8_t> ciphertext_and_tag) = 0;
};

// Who carries out AES-GCM; all but mbedTLS are intel-ipsec-mb's code for some generation of
// processors.
enum class Engine : std::uint8_t { mbedtls, aesni, vaes_avx2, vaes_avx512 };

[[nodiscard]] std::string_view engine_name(Engine engine);
// Whether this processor and this build have it.
[[nodiscard]] bool runs_here(Engine engine);
// The fastest that runs here.
[[nodiscard]] Engine best_engine();

// `key` is of the cipher's length. Ciphers other than AES-GCM are mbedTLS's whatever the engine,
// which must run here.
[[nodiscard]] std::unique_ptr<Aead> make_aead(mbedtls_cipher_type_t cipher, ByteView key,
                                              Engine engine = best_engine());

} // namespace hawser::tls
