// The configuration of mbedTLS: what the mesh speaks and nothing else. TLS 1.3 only, certificates
// only (no pre-shared keys, tickets or early data), and the algorithms of RFC 8446 that peers use.
// The build passes this file to mbedTLS and to every includer of its headers, because it changes
// the layout of their structures. It is C: mbedTLS itself includes it.
#pragma once

// --- platform -----------------------------------------------------------------------------------
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE // certificates are checked against the clock
#define MBEDTLS_THREADING_C    // one context per thread, but PSA keeps process-wide key slots
#define MBEDTLS_THREADING_PTHREAD
#define MBEDTLS_DEPRECATED_REMOVED
#define MBEDTLS_ERROR_C
#define MBEDTLS_VERSION_C

// --- randomness ---------------------------------------------------------------------------------
// Every random byte comes from getrandom(2) (src/tls/library.cpp): no state of our own to lock, to
// duplicate in a fork, or to repeat in a cloned virtual machine.
#define MBEDTLS_PSA_CRYPTO_EXTERNAL_RNG
#define MBEDTLS_HMAC_DRBG_C // for deterministic ECDSA

// --- symmetric algorithms -----------------------------------------------------------------------
#define MBEDTLS_AES_C
#define MBEDTLS_AESNI_C // chosen at run time
#if defined(__aarch64__)
#define MBEDTLS_AESCE_C
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_IF_PRESENT
#define MBEDTLS_SHA512_USE_A64_CRYPTO_IF_PRESENT
#endif
// SHA-256 and P-256, which are nearly all that a handshake costs, are OpenSSL's assembler on x86-64
// (src/tls/libcrypto.h), through these hooks (src/tls/mbedtls_hooks.cpp). The last is meant for
// another implementation; key exchanges are called by its names.
#if defined(__x86_64__)
#define MBEDTLS_SHA256_PROCESS_ALT
#define MBEDTLS_ECDSA_SIGN_ALT
#define MBEDTLS_PSA_P256M_DRIVER_ENABLED
#endif
#define MBEDTLS_CIPHER_C
#define MBEDTLS_GCM_C
// No GCM_LARGE_TABLE: 8 KiB more in every session, and no gain where the CPU has the instructions.
#define MBEDTLS_CHACHA20_C
#define MBEDTLS_POLY1305_C
#define MBEDTLS_CHACHAPOLY_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#define MBEDTLS_HKDF_C
#define MBEDTLS_PSA_CRYPTO_C // TLS 1.3's key schedule needs it; records do not (no USE_PSA_CRYPTO)
#define MBEDTLS_PSA_KEY_STORE_DYNAMIC // else 32 handshakes at once use up the key slots

// --- curves and signatures ----------------------------------------------------------------------
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED
#define MBEDTLS_ECP_DP_CURVE25519_ENABLED
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECP_WINDOW_SIZE \
    6 // larger tables, fewer additions: measured in handshakes per second
#define MBEDTLS_ECP_FIXED_POINT_OPTIM 1 // precomputed multiples of the generators
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDH_VARIANT_EVEREST_ENABLED // verified X25519
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ECDSA_DETERMINISTIC
#define MBEDTLS_ECDSA_VERIFY_ALT // src/tls/mbedtls_hooks.cpp, everywhere
// RSA only to verify and present certificates of other authorities; key exchange is always ECDHE.
#define MBEDTLS_RSA_C
#define MBEDTLS_PKCS1_V15
#define MBEDTLS_PKCS1_V21

// --- encodings and certificates -----------------------------------------------------------------
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_OID_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_PEM_WRITE_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_PK_WRITE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C
#define MBEDTLS_X509_CSR_PARSE_C
#define MBEDTLS_X509_CREATE_C
#define MBEDTLS_X509_CRT_WRITE_C
#define MBEDTLS_X509_CSR_WRITE_C

// --- TLS ----------------------------------------------------------------------------------------
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_SRV_C
#define MBEDTLS_SSL_PROTO_TLS1_3
#define MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL_ENABLED
#define MBEDTLS_SSL_TLS1_3_COMPATIBILITY_MODE // other stacks send ChangeCipherSpec; without this it
                                              // is fatal
#define MBEDTLS_SSL_KEEP_PEER_CERTIFICATE // the peer's identity is read from it after the handshake
#define MBEDTLS_SSL_ALPN
#define MBEDTLS_SSL_SERVER_NAME_INDICATION
