#include "tls/aead.h"

#include "base/check.h"
#include "tls/aead_ipsec_mb.h"
#include "tls/library.h"

namespace hawser::tls {
namespace {

class MbedtlsAead final : public Aead {
  public:
    MbedtlsAead(mbedtls_cipher_type_t cipher, ByteView key) {
        const auto* info = mbedtls_cipher_info_from_type(cipher);
        HAWSER_CHECK(mbedtls_cipher_setup(cipher_.get(), info) == 0);
        // GCM and ChaCha20 run the cipher forwards in both directions.
        HAWSER_CHECK(mbedtls_cipher_setkey(cipher_.get(), key.data(),
                                           static_cast<int>(key.size() * 8), MBEDTLS_ENCRYPT) == 0);
    }

    void seal(const Nonce& nonce, ByteView aad, std::uint8_t* plaintext,
              std::size_t count) override {
        std::size_t written = 0;
        const int error = mbedtls_cipher_auth_encrypt_ext(
            cipher_.get(), nonce.data(), nonce.size(), aad.data(), aad.size(), plaintext, count,
            plaintext, count + tag_bytes, &written, tag_bytes);
        HAWSER_CHECK(error == 0 && written == count + tag_bytes);
    }

    bool open(const Nonce& nonce, ByteView aad,
              std::span<std::uint8_t> ciphertext_and_tag) override {
        std::size_t written = 0;
        const int error = mbedtls_cipher_auth_decrypt_ext(
            cipher_.get(), nonce.data(), nonce.size(), aad.data(), aad.size(),
            ciphertext_and_tag.data(), ciphertext_and_tag.size(), ciphertext_and_tag.data(),
            ciphertext_and_tag.size(), &written, tag_bytes);
        return error == 0;
    }

  private:
    Handle<mbedtls_cipher_context_t, mbedtls_cipher_init, mbedtls_cipher_free> cipher_;
};

bool is_gcm(mbedtls_cipher_type_t cipher) {
    return cipher == MBEDTLS_CIPHER_AES_128_GCM || cipher == MBEDTLS_CIPHER_AES_256_GCM;
}

} // namespace

std::string_view engine_name(Engine engine) {
    switch (engine) {
        case Engine::mbedtls: return "mbedTLS";
        case Engine::aesni: return "AES-NI";
        case Engine::vaes_avx2: return "VAES with AVX2";
        case Engine::vaes_avx512: return "VAES with AVX-512";
    }
    return "";
}

bool runs_here(Engine engine) {
    return engine == Engine::mbedtls || ipsec_mb_runs_here(engine);
}

Engine best_engine() {
    static const Engine best = [] {
        for (const Engine engine : {Engine::vaes_avx512, Engine::vaes_avx2, Engine::aesni})
            if (runs_here(engine)) return engine;
        return Engine::mbedtls;
    }();
    return best;
}

std::unique_ptr<Aead> make_aead(mbedtls_cipher_type_t cipher, ByteView key, Engine engine) {
    if (engine == Engine::mbedtls || !is_gcm(cipher))
        return std::make_unique<MbedtlsAead>(cipher, key);
    return make_ipsec_mb_gcm(engine, key);
}

} // namespace hawser::tls
