// Where mbedTLS gets its P-256 and SHA-256 from, by the names that it calls (mbedtls_config.h):
// blocks and signatures through its hooks for alternative implementations, the key exchange through
// those that it has for the P256-m driver.
#include <mbedtls/ecdsa.h>
#include <mbedtls/error.h>
#include <mbedtls/sha256.h>
#include <psa/crypto.h>

#include <algorithm>
#include <cstring>

#include "base/random.h"
#include "tls/known_signatures.h"
#include "tls/libcrypto.h"
#include "tls/library.h"
#include "tls/p256.h"
#include "tls/secret.h"

namespace hawser::tls {
namespace {

using Number = Handle<mbedtls_mpi, mbedtls_mpi_init, mbedtls_mpi_free>;
using Point = Handle<mbedtls_ecp_point, mbedtls_ecp_point_init, mbedtls_ecp_point_free>;

bool is_p256(const mbedtls_ecp_group& group) {
    return group.id == MBEDTLS_ECP_DP_SECP256R1;
}
bool write(const mbedtls_mpi& from, P256Number& to) {
    return mbedtls_mpi_cmp_int(&from, 0) >= 0 &&
           mbedtls_mpi_write_binary(&from, to.data(), to.size()) == 0;
}

// The leftmost bits of a hash that are a number of this curve.
P256Number truncated(const unsigned char* hash, std::size_t size) {
    P256Number number{};
    const std::size_t count = std::min(size, number.size());
    std::memcpy(number.data() + (number.size() - count), hash, count);
    return number;
}

// As FIPS 186-5 §6.4.2 says it, for curves and processors that have nothing faster.
int verify_slowly(mbedtls_ecp_group& group, const unsigned char* hash, std::size_t size,
                  const mbedtls_ecp_point& key, const mbedtls_mpi& r, const mbedtls_mpi& s) {
    for (const mbedtls_mpi* each : {&r, &s})
        if (mbedtls_mpi_cmp_int(each, 1) < 0 || mbedtls_mpi_cmp_mpi(each, &group.N) >= 0)
            return MBEDTLS_ERR_ECP_VERIFY_FAILED;
    const std::size_t used = std::min(size, (group.nbits + 7) / 8);
    Number e, inverse, of_generator, of_key;
    Point sum;
    int error = mbedtls_mpi_read_binary(e.get(), hash, used);
    if (error == 0 && used * 8 > group.nbits)
        error = mbedtls_mpi_shift_r(e.get(), used * 8 - group.nbits);
    if (error == 0) error = mbedtls_mpi_inv_mod(inverse.get(), &s, &group.N);
    if (error == 0) error = mbedtls_mpi_mul_mpi(of_generator.get(), e.get(), inverse.get());
    if (error == 0) error = mbedtls_mpi_mod_mpi(of_generator.get(), of_generator.get(), &group.N);
    if (error == 0) error = mbedtls_mpi_mul_mpi(of_key.get(), &r, inverse.get());
    if (error == 0) error = mbedtls_mpi_mod_mpi(of_key.get(), of_key.get(), &group.N);
    if (error == 0)
        error =
            mbedtls_ecp_muladd(&group, sum.get(), of_generator.get(), &group.G, of_key.get(), &key);
    if (error != 0) return error;
    if (mbedtls_ecp_is_zero(sum.get())) return MBEDTLS_ERR_ECP_VERIFY_FAILED;
    mbedtls_mpi& x = sum->MBEDTLS_PRIVATE(X);
    error = mbedtls_mpi_mod_mpi(&x, &x, &group.N);
    if (error != 0) return error;
    return mbedtls_mpi_cmp_mpi(&x, &r) == 0 ? 0 : MBEDTLS_ERR_ECP_VERIFY_FAILED;
}

int verify(mbedtls_ecp_group& group, const unsigned char* hash, std::size_t size,
           const mbedtls_ecp_point& key, const mbedtls_mpi& r, const mbedtls_mpi& s) {
    P256Point point;
    P256Signature signature;
    const bool fits = is_p256(group) && write(key.MBEDTLS_PRIVATE(X), point.x) &&
                      write(key.MBEDTLS_PRIVATE(Y), point.y) && write(r, signature.r) &&
                      write(s, signature.s);
    if (!fits) return verify_slowly(group, hash, size, key, r, s);
    const P256Number number = truncated(hash, size);
    CertificateSignatures* const certificates = CertificateSignatures::current();
    KnownSignatures::Fact fact;
    if (certificates != nullptr) {
        fact = KnownSignatures::fact_of(point, number, signature);
        if (certificates->known(fact)) return 0;
    }
    int error = 0;
    if (!p256_runs_here())
        error = verify_slowly(group, hash, size, key, r, s);
    else if (!p256_verify(point, number, signature))
        error = MBEDTLS_ERR_ECP_VERIFY_FAILED;
    if (error == 0 && certificates != nullptr) certificates->verified(fact);
    return error;
}

#ifdef __x86_64__

constexpr std::size_t point_bytes = 65; // uncompressed: 4, x, y

bool is_p256_pair(const psa_key_attributes_t* attributes) {
    return p256_runs_here() && psa_get_key_bits(attributes) == 256 &&
           psa_get_key_type(attributes) == PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1);
}

// A secret that is overwritten when it goes.
struct SecretNumber {
    SecretNumber() = default;
    explicit SecretNumber(const std::uint8_t* from) {
        std::copy_n(from, number.size(), number.data());
    }
    ~SecretNumber() { ::explicit_bzero(number.data(), number.size()); }
    SecretNumber(const SecretNumber&) = delete;
    SecretNumber& operator=(const SecretNumber&) = delete;
    P256Number number{};
};

using RandomBytes = int(void*, unsigned char*, std::size_t);

int sign(mbedtls_mpi& r, mbedtls_mpi& s, const mbedtls_mpi& key, const P256Number& hash,
         RandomBytes* random, void* state) {
    SecretNumber secret, nonce;
    if (!write(key, secret.number)) return MBEDTLS_ERR_ECP_INVALID_KEY;
    for (int attempt = 0; attempt < 30; ++attempt) { // each fails one time in 2^32
        if (const int error = random(state, nonce.number.data(), nonce.number.size()); error != 0)
            return error;
        if (const auto signature = p256_sign(secret.number, hash, nonce.number)) {
            const int error = mbedtls_mpi_read_binary(&r, signature->r.data(), signature->r.size());
            if (error != 0) return error;
            return mbedtls_mpi_read_binary(&s, signature->s.data(), signature->s.size());
        }
    }
    return MBEDTLS_ERR_ECP_INVALID_KEY;
}

#endif

} // namespace
} // namespace hawser::tls

using namespace hawser::tls;

extern "C" {

int mbedtls_ecdsa_verify(mbedtls_ecp_group* group, const unsigned char* hash, size_t size,
                         const mbedtls_ecp_point* key, const mbedtls_mpi* r, const mbedtls_mpi* s) {
    return verify(*group, hash, size, *key, *r, *s);
}

#ifdef __x86_64__

int mbedtls_internal_sha256_process(mbedtls_sha256_context* context,
                                    const unsigned char block[64]) {
    sha256_block_data_order(context->MBEDTLS_PRIVATE(state), block, 1);
    return 0;
}

int mbedtls_ecdsa_sign(mbedtls_ecp_group* group, mbedtls_mpi* r, mbedtls_mpi* s,
                       const mbedtls_mpi* key, const unsigned char* hash, size_t size,
                       RandomBytes* random, void* state) {
    if (!is_p256(*group)) return MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE;
    return sign(*r, *s, *key, truncated(hash, size), random, state);
}

// PSA_ERROR_NOT_SUPPORTED leaves the work to mbedTLS.

psa_status_t p256_transparent_import_key(const psa_key_attributes_t*, const uint8_t*, size_t,
                                         uint8_t*, size_t, size_t*, size_t*) {
    return PSA_ERROR_NOT_SUPPORTED;
}

psa_status_t p256_transparent_generate_key(const psa_key_attributes_t* attributes, uint8_t* key,
                                           size_t size, size_t* written) {
    SecretNumber secret;
    if (!is_p256_pair(attributes)) return PSA_ERROR_NOT_SUPPORTED;
    if (size < secret.number.size()) return PSA_ERROR_BUFFER_TOO_SMALL;
    do hawser::fill_secure_random(secret.number);
    while (!p256_public_key(secret.number)); // out of range one time in 2^32
    std::ranges::copy(secret.number, key);
    *written = secret.number.size();
    return PSA_SUCCESS;
}

psa_status_t p256_transparent_export_public_key(const psa_key_attributes_t* attributes,
                                                const uint8_t* key, size_t size, uint8_t* data,
                                                size_t data_size, size_t* written) {
    if (!is_p256_pair(attributes) || size != sizeof(P256Number)) return PSA_ERROR_NOT_SUPPORTED;
    if (data_size < point_bytes) return PSA_ERROR_BUFFER_TOO_SMALL;
    const auto point = p256_public_key(SecretNumber(key).number);
    if (!point) return PSA_ERROR_INVALID_ARGUMENT;
    *data = 4;
    std::ranges::copy(point->y, std::ranges::copy(point->x, data + 1).out);
    *written = point_bytes;
    return PSA_SUCCESS;
}

psa_status_t p256_transparent_key_agreement(const psa_key_attributes_t* attributes,
                                            const uint8_t* key, size_t size, psa_algorithm_t,
                                            const uint8_t* peer, size_t peer_size, uint8_t* shared,
                                            size_t shared_size, size_t* written) {
    if (!is_p256_pair(attributes) || size != sizeof(P256Number)) return PSA_ERROR_NOT_SUPPORTED;
    if (peer_size != point_bytes || peer[0] != 4) return PSA_ERROR_INVALID_ARGUMENT;
    if (shared_size < sizeof(P256Number)) return PSA_ERROR_BUFFER_TOO_SMALL;
    P256Point point;
    std::copy_n(peer + 1, point.x.size(), point.x.data());
    std::copy_n(peer + 1 + point.x.size(), point.y.size(), point.y.data());
    auto result = p256_shared_secret(SecretNumber(key).number, point);
    if (!result) return PSA_ERROR_INVALID_ARGUMENT;
    std::ranges::copy(*result, shared);
    *written = result->size();
    ::explicit_bzero(result->data(), result->size());
    return PSA_SUCCESS;
}

psa_status_t p256_transparent_sign_hash(const psa_key_attributes_t*, const uint8_t*, size_t,
                                        psa_algorithm_t, const uint8_t*, size_t, uint8_t*, size_t,
                                        size_t*) {
    return PSA_ERROR_NOT_SUPPORTED;
}

psa_status_t p256_transparent_verify_hash(const psa_key_attributes_t*, const uint8_t*, size_t,
                                          psa_algorithm_t, const uint8_t*, size_t, const uint8_t*,
                                          size_t) {
    return PSA_ERROR_NOT_SUPPORTED;
}

#endif

} // extern "C"
