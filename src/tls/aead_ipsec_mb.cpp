// The library's "direct" GCM functions, without its manager object: that refers to every algorithm
// the library knows, which makes the program 12 MB larger and its start half a millisecond longer.
// The direct functions are pure: they work on the key, the context and the buffers they are given.
// All they share is `imb_errno`, which they write only when arguments are invalid (ours never are)
// and else only read; so any number of threads may run them, each on a context of its own.
#include "tls/aead_ipsec_mb.h"

#include "base/check.h"

#ifdef HAWSER_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>

#include <cstring>
#include <type_traits>

// The library's header has prototypes for the oldest of these only, though all are alike.
extern "C" {
std::remove_pointer_t<aes_gcm_precomp_t> aes_gcm_precomp_128_vaes_avx2,
    aes_gcm_precomp_256_vaes_avx2, aes_gcm_precomp_128_vaes_avx512, aes_gcm_precomp_256_vaes_avx512;
std::remove_pointer_t<aes_gcm_enc_dec_t> aes_gcm_enc_128_vaes_avx2, aes_gcm_enc_256_vaes_avx2,
    aes_gcm_dec_128_vaes_avx2, aes_gcm_dec_256_vaes_avx2, aes_gcm_enc_128_vaes_avx512,
    aes_gcm_enc_256_vaes_avx512, aes_gcm_dec_128_vaes_avx512, aes_gcm_dec_256_vaes_avx512;
}

namespace hawser::tls {
namespace {

// The code of one engine for one length of key.
struct GcmCode {
    aes_gcm_precomp_t precompute; // the powers of the hash key
    aes_gcm_enc_dec_t encrypt, decrypt;
};

const GcmCode& code_of(Engine engine, std::size_t key_bytes) {
    static constexpr GcmCode aes128[] = {
        {aes_gcm_precomp_128_sse, aes_gcm_enc_128_sse, aes_gcm_dec_128_sse},
        {aes_gcm_precomp_128_vaes_avx2, aes_gcm_enc_128_vaes_avx2, aes_gcm_dec_128_vaes_avx2},
        {aes_gcm_precomp_128_vaes_avx512, aes_gcm_enc_128_vaes_avx512, aes_gcm_dec_128_vaes_avx512},
    };
    static constexpr GcmCode aes256[] = {
        {aes_gcm_precomp_256_sse, aes_gcm_enc_256_sse, aes_gcm_dec_256_sse},
        {aes_gcm_precomp_256_vaes_avx2, aes_gcm_enc_256_vaes_avx2, aes_gcm_dec_256_vaes_avx2},
        {aes_gcm_precomp_256_vaes_avx512, aes_gcm_enc_256_vaes_avx512, aes_gcm_dec_256_vaes_avx512},
    };
    static_assert(static_cast<int>(Engine::aesni) == 1 && static_cast<int>(Engine::mbedtls) == 0 &&
                  static_cast<int>(Engine::vaes_avx512) == std::size(aes128));
    HAWSER_CHECK(key_bytes == 16 || key_bytes == 32);
    const auto index = static_cast<std::size_t>(engine) - 1;
    return key_bytes == 16 ? aes128[index] : aes256[index];
}

// What the functions keep between blocks: with it and a short record the hash key can be found.
struct WipedContext {
    WipedContext() = default;
    ~WipedContext() { ::explicit_bzero(&context, sizeof context); }
    WipedContext(const WipedContext&) = delete;
    WipedContext& operator=(const WipedContext&) = delete;
    gcm_context_data context;
};

class IpsecMbGcm final : public Aead {
  public:
    IpsecMbGcm(Engine engine, ByteView key) : code_(code_of(engine, key.size())) {
        const auto expand = key.size() == 16 ? aes_keyexp_128_enc_sse : aes_keyexp_256_enc_sse;
        // The other half of a key expansion is for decrypting blocks, which GCM never does.
        expand(key.data(), key_->expanded_keys);
        code_.precompute(key_.get());
    }
    ~IpsecMbGcm() override { ::explicit_bzero(key_.get(), sizeof *key_); }
    IpsecMbGcm(const IpsecMbGcm&) = delete;
    IpsecMbGcm& operator=(const IpsecMbGcm&) = delete;

    void seal(const Nonce& nonce, ByteView aad, std::uint8_t* plaintext,
              std::size_t count) override {
        WipedContext wiped;
        code_.encrypt(key_.get(), &wiped.context, plaintext, plaintext, count, nonce.data(),
                      aad.data(), aad.size(), plaintext + count, tag_bytes);
    }

    bool open(const Nonce& nonce, ByteView aad,
              std::span<std::uint8_t> ciphertext_and_tag) override {
        HAWSER_CHECK(ciphertext_and_tag.size() >= tag_bytes);
        const std::size_t count = ciphertext_and_tag.size() - tag_bytes;
        std::uint8_t* const text = ciphertext_and_tag.data();
        WipedContext wiped;
        std::array<std::uint8_t, tag_bytes> tag;
        code_.decrypt(key_.get(), &wiped.context, text, text, count, nonce.data(), aad.data(),
                      aad.size(), tag.data(), tag.size());
        const ByteView received = ciphertext_and_tag.last(tag_bytes);
        const bool authentic = equal_constant_time(as_text(tag), as_text(received));
        if (!authentic) ::explicit_bzero(text, count);
        return authentic;
    }

  private:
    const GcmCode& code_;
    // In memory of its own: its alignment would make this object grow by half of its size.
    const std::unique_ptr<gcm_key_data> key_ = std::make_unique<gcm_key_data>();
};

} // namespace

// The compiler's answer, which unlike the library's own takes into account whether the operating
// system saves the wide registers.
bool ipsec_mb_runs_here(Engine engine) {
    const bool aesni = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("aes") &&
                       __builtin_cpu_supports("pclmul");
    const bool vaes = aesni && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
                      __builtin_cpu_supports("vaes") && __builtin_cpu_supports("vpclmulqdq");
    switch (engine) {
        case Engine::mbedtls: return false;
        case Engine::aesni: return aesni;
        case Engine::vaes_avx2: return vaes;
        case Engine::vaes_avx512:
            return vaes && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl");
    }
    return false;
}

std::unique_ptr<Aead> make_ipsec_mb_gcm(Engine engine, ByteView key) {
    return std::make_unique<IpsecMbGcm>(engine, key);
}

} // namespace hawser::tls

#else

namespace hawser::tls {

bool ipsec_mb_runs_here(Engine) {
    return false;
}

std::unique_ptr<Aead> make_ipsec_mb_gcm(Engine, ByteView) {
    HAWSER_CHECK(false);
}

} // namespace hawser::tls

#endif
