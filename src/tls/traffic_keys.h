// The keys of one direction of a TLS 1.3 connection (RFC 8446 §7.3): from a traffic secret, which
// the handshake agrees on and each KeyUpdate replaces, the cipher's key and nonces. Seals and
// opens one record at a time. One thread at a time.
#pragma once

#include <mbedtls/cipher.h>
#include <mbedtls/md.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "tls/aead.h"
#include "tls/secret.h"

namespace hawser::tls {

inline constexpr std::size_t max_hash_bytes = 48; // SHA-384

using TrafficSecret = SecretBytes<max_hash_bytes>;

struct CipherSuite {
    std::uint16_t id; // RFC 8446 §B.4
    std::string_view name;
    mbedtls_cipher_type_t cipher;
    mbedtls_md_type_t hash;
    std::size_t hash_bytes, key_bytes;
};
// nullptr: not one of ours.
[[nodiscard]] const CipherSuite* find_cipher_suite(int id);

// HKDF-Expand-Label (RFC 8446 §7.1) with an empty context.
void expand_label(const CipherSuite& suite, const TrafficSecret& secret, std::string_view label,
                  std::span<std::uint8_t> output);

class TrafficKeys {
  public:
    TrafficKeys(const CipherSuite& suite, const TrafficSecret& secret);

    // Encrypts in place; the tag follows the plaintext in memory.
    void seal(ByteView header, std::uint8_t* plaintext, std::size_t count);
    // Decrypts in place ciphertext and tag. false, and all of it lost: it was changed or is of
    // other keys.
    [[nodiscard]] bool open(ByteView header, std::span<std::uint8_t> ciphertext_and_tag);

    void update(); // the next generation of keys (§7.2), after a KeyUpdate
    [[nodiscard]] std::uint64_t records() const { return sequence_; } // with these keys

  private:
    void derive();
    [[nodiscard]] Nonce next_nonce();

    const CipherSuite& suite_;
    TrafficSecret secret_;
    SecretBytes<nonce_bytes> iv_{nonce_bytes};
    std::uint64_t sequence_ = 0;
    std::unique_ptr<Aead> aead_;
};

} // namespace hawser::tls
