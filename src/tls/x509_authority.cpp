#include "tls/x509_authority.h"

#include "base/limits.h"
#include "tls/library.h"
#include "tls/x509.h"

namespace hawser::tls {

Result<AuthorityFacts> describe_authority(ByteView der) {
    initialise_library();
    if (der.size() > limits::certificate_bytes)
        return fail(ErrorCode::invalid, "the certificate is too large");
    CrtHandle certificate;
    const int error = mbedtls_x509_crt_parse_der(certificate.get(), der.data(), der.size());
    if (error != 0) return fail(ErrorCode::invalid, "certificate: " + library_error(error));
    if (certificate->MBEDTLS_PRIVATE(ca_istrue) == 0)
        return fail(ErrorCode::invalid, "not the certificate of an authority (CA:TRUE is missing)");
    if (mbedtls_x509_crt_check_key_usage(certificate.get(), MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0)
        return fail(ErrorCode::invalid, "its key usage does not include keyCertSign");
    if (!is_p256(certificate->pk))
        return fail(ErrorCode::invalid, "its key is not ECDSA P-256, which the mesh needs");
    if (certificate->MBEDTLS_PRIVATE(sig_md) != MBEDTLS_MD_SHA256 ||
        certificate->MBEDTLS_PRIVATE(sig_pk) != MBEDTLS_PK_ECDSA)
        return fail(ErrorCode::invalid,
                    "it is not signed with ECDSA and SHA-256, which the mesh needs");
    const Result<CertificateInfo> info = describe_certificate(der);
    if (!info) return fail(info.error());
    AuthorityFacts facts{
        .subject = info->subject,
        .public_key_der = info->public_key_der,
        .not_before = info->not_before,
        .not_after = info->not_after,
        .path_length = std::nullopt,
        .self_issued = text_of(certificate->issuer_raw) == text_of(certificate->subject_raw)};
    // The library keeps one more than the certificate says, and 0 for no limit.
    if (const int most = certificate->MBEDTLS_PRIVATE(max_pathlen); most > 0)
        facts.path_length = most - 1;
    return facts;
}

} // namespace hawser::tls
