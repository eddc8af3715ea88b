#include "tls/traffic_keys.h"

#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>
#include <mbedtls/ssl_ciphersuites.h>

#include <algorithm>
#include <string>

#include "base/check.h"

namespace hawser::tls {
namespace {

constexpr CipherSuite suites[] = {
    {MBEDTLS_TLS1_3_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", MBEDTLS_CIPHER_AES_128_GCM,
     MBEDTLS_MD_SHA256, 32, 16},
    {MBEDTLS_TLS1_3_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", MBEDTLS_CIPHER_AES_256_GCM,
     MBEDTLS_MD_SHA384, 48, 32},
    {MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256",
     MBEDTLS_CIPHER_CHACHA20_POLY1305, MBEDTLS_MD_SHA256, 32, 32},
};

} // namespace

const CipherSuite* find_cipher_suite(int id) {
    const auto* found = std::ranges::find(suites, id, &CipherSuite::id);
    return found == std::end(suites) ? nullptr : found;
}

void expand_label(const CipherSuite& suite, const TrafficSecret& secret, std::string_view label,
                  std::span<std::uint8_t> output) {
    std::string info;
    info.push_back(static_cast<char>(output.size() >> 8));
    info.push_back(static_cast<char>(output.size() & 0xff));
    info.push_back(static_cast<char>(6 + label.size()));
    info.append("tls13 ").append(label);
    info.push_back('\0'); // the context's length
    const int error =
        mbedtls_hkdf_expand(mbedtls_md_info_from_type(suite.hash), secret.data(), secret.size(),
                            reinterpret_cast<const unsigned char*>(info.data()), info.size(),
                            output.data(), output.size());
    HAWSER_CHECK(error == 0);
}

TrafficKeys::TrafficKeys(const CipherSuite& suite, const TrafficSecret& secret)
    : suite_(suite), secret_(secret) {
    derive();
}

void TrafficKeys::derive() {
    SecretBytes<32> key(suite_.key_bytes);
    expand_label(suite_, secret_, "key", key.span());
    expand_label(suite_, secret_, "iv", iv_.span());
    aead_ = make_aead(suite_.cipher, key.span());
    sequence_ = 0;
}

void TrafficKeys::update() {
    TrafficSecret next(secret_.size());
    expand_label(suite_, secret_, "traffic upd", next.span());
    secret_ = next;
    derive();
}

// RFC 8446 §5.3: the record's number, padded on the left, XOR the IV.
Nonce TrafficKeys::next_nonce() {
    Nonce nonce;
    std::copy_n(iv_.data(), nonce_bytes, nonce.data());
    for (std::size_t i = 0; i < 8; ++i)
        nonce[nonce_bytes - 1 - i] ^= static_cast<std::uint8_t>(sequence_ >> (8 * i));
    ++sequence_;
    return nonce;
}

void TrafficKeys::seal(ByteView header, std::uint8_t* plaintext, std::size_t count) {
    aead_->seal(next_nonce(), header, plaintext, count);
}

bool TrafficKeys::open(ByteView header, std::span<std::uint8_t> ciphertext_and_tag) {
    return aead_->open(next_nonce(), header, ciphertext_and_tag);
}

} // namespace hawser::tls
