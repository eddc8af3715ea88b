#include "tls/library.h"

#include <mbedtls/error.h>
#include <psa/crypto.h>

#include <chrono>
#include <mutex>

#include "base/check.h"
#include "base/random.h"
#include "tls/secret.h"

// PSA's random generator (MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG): the kernel's.
extern "C" psa_status_t mbedtls_psa_external_get_random(mbedtls_psa_external_random_context_t*,
                                                        uint8_t* output, size_t output_size,
                                                        size_t* output_length) {
    hawser::fill_secure_random({output, output_size});
    *output_length = output_size;
    return PSA_SUCCESS;
}

namespace hawser::tls {

void initialise_library() {
    static std::once_flag once;
    std::call_once(once, [] { HAWSER_CHECK(psa_crypto_init() == PSA_SUCCESS); });
}

int random_bytes(void*, unsigned char* output, std::size_t length) {
    fill_secure_random({output, length});
    return 0;
}

std::string library_error(int code) {
    char text[256];
    mbedtls_strerror(code, text, sizeof text);
    return text;
}

WallTime to_wall_time(const mbedtls_x509_time& time) {
    using namespace std::chrono;
    const auto day = sys_days(year(time.year) / time.mon / time.day);
    const auto instant = day + hours(time.hour) + minutes(time.min) + seconds(time.sec);
    return duration_cast<milliseconds>(instant.time_since_epoch()).count();
}

WallTime now() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

bool is_p256(const mbedtls_pk_context& key) {
    if (!mbedtls_pk_can_do(&key, MBEDTLS_PK_ECDSA)) return false;
    return mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(key)) == MBEDTLS_ECP_DP_SECP256R1;
}

Result<void> parse_private_key(std::string_view pem, mbedtls_pk_context* into) {
    initialise_library();
    const SecretText terminated{std::string(pem)}; // the parser wants the NUL of a PEM
    const std::string& text = terminated.text();
    const int error =
        mbedtls_pk_parse_key(into, reinterpret_cast<const unsigned char*>(text.c_str()),
                             text.size() + 1, nullptr, 0, random_bytes, nullptr);
    if (error != 0) return fail(ErrorCode::invalid, "private key: " + library_error(error));
    if (!is_p256(*into)) return fail(ErrorCode::invalid, "private key: not ECDSA P-256");
    return {};
}

} // namespace hawser::tls
