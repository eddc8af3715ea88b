// Keys, certificate requests and certificates: what the CA and the agents need of X.509, without
// showing the library. All certificates are ECDSA P-256 with SHA-256.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "model/identity.h"

namespace hawser::tls {

[[nodiscard]] Result<std::string> generate_key_pem(); // P-256, PEM

// A request for `identity` (URI SAN), signed by the key: DER PKCS#10.
[[nodiscard]] Result<std::string> make_csr(std::string_view key_pem,
                                           const model::Identity& identity);

struct Csr {
    std::string public_key_der;              // SubjectPublicKeyInfo
    std::optional<model::Identity> identity; // its URI SAN, if any; for the caller to compare
};
// Verifies the self-signature; refuses keys that are not P-256, what asks for more than one
// identity or to be an authority, and sizes over limits::csr_bytes.
[[nodiscard]] Result<Csr> parse_csr(ByteView der);

enum class CertificateUse { root, intermediate, leaf };

struct CertificateRequest {
    CertificateUse use = CertificateUse::leaf;
    std::string common_name;
    std::optional<model::Identity> identity; // leaf: required
    std::string public_key_der;
    std::string_view issuer_key_pem;       // only looked at during the call
    std::optional<std::string> issuer_der; // none: self-signed
    WallTime not_before = 0;
    WallTime not_after = 0;
    // Goes into the serial, for who must tell this subject from an earlier one of the same name.
    std::uint64_t generation = 0; // 0: none
    // Leaves get digitalSignature and the client and server EKUs; roots and intermediates get
    // keyCertSign | cRLSign, CA:TRUE (pathlen 0 for the intermediate). The serial is 16 random
    // bytes, or a 1, the generation and 8 random bytes.
};
[[nodiscard]] Result<std::string> issue_certificate(const CertificateRequest& request); // DER

// What is in a certificate's serial (hex); 0: none.
[[nodiscard]] std::uint64_t generation_in(std::string_view serial);

[[nodiscard]] Result<std::string> public_key_of(std::string_view key_pem); // DER
// Checks the signature, and that the issuer is an authority; not the times.
[[nodiscard]] Result<void> check_issued_by(ByteView certificate_der, ByteView issuer_der);

struct CertificateInfo {
    std::optional<model::Identity> identity;
    std::string subject;
    std::string serial;
    WallTime not_before = 0;
    WallTime not_after = 0;
    bool is_ca = false;
    std::string public_key_der;
};
[[nodiscard]] Result<CertificateInfo> describe_certificate(ByteView der);

[[nodiscard]] std::string to_pem(ByteView der); // CERTIFICATE
[[nodiscard]] Result<std::vector<std::string>> chain_from_pem(
    std::string_view pem);                        // DERs, bounded
[[nodiscard]] std::string sha256(ByteView bytes); // 32 bytes

} // namespace hawser::tls
