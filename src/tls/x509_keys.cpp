// Keys and certificate requests.
#include <mbedtls/ecp.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>

#include <array>

#include "base/check.h"
#include "base/limits.h"
#include "tls/certificate_form.h"
#include "tls/library.h"
#include "tls/secret.h"
#include "tls/x509.h"
#include "tls/x509_names.h"

namespace hawser::tls {
namespace {

// Ours are below 300 bytes.
constexpr std::size_t key_text_bytes = 2048;

using CsrWriter =
    Handle<mbedtls_x509write_csr, mbedtls_x509write_csr_init, mbedtls_x509write_csr_free>;

Result<std::string> public_key_der(const mbedtls_pk_context& key) {
    std::array<unsigned char, 512> buffer;
    const int size = mbedtls_pk_write_pubkey_der(&key, buffer.data(), buffer.size());
    if (size < 0) return fail(ErrorCode::internal, library_error(size));
    return std::string(as_text(ByteView(buffer).last(static_cast<std::size_t>(size))));
}

Result<void> check_self_signature(mbedtls_x509_csr& csr) {
    if (csr.MBEDTLS_PRIVATE(sig_md) != MBEDTLS_MD_SHA256 ||
        csr.MBEDTLS_PRIVATE(sig_pk) != MBEDTLS_PK_ECDSA)
        return fail(ErrorCode::invalid, "signature is not ECDSA with SHA-256");
    const std::string hash = sha256(bytes_of(csr.cri));
    const mbedtls_x509_buf& signature = csr.MBEDTLS_PRIVATE(sig);
    const int error = mbedtls_pk_verify(&csr.pk, MBEDTLS_MD_SHA256, as_bytes(hash).data(),
                                        hash.size(), signature.p, signature.len);
    if (error != 0) return fail(ErrorCode::invalid, "signature is not by its own key");
    return {};
}

Result<std::optional<model::Identity>> requested_identity(const mbedtls_x509_csr& csr) {
    if ((csr.MBEDTLS_PRIVATE(ext_types) & MBEDTLS_X509_EXT_SUBJECT_ALT_NAME) == 0)
        return std::nullopt;
    const mbedtls_x509_sequence& name = csr.subject_alt_names;
    if (name.buf.p == nullptr) return fail(ErrorCode::invalid, "has an empty list of names");
    if (name.next != nullptr) return fail(ErrorCode::invalid, "has more than one name");
    constexpr int uri =
        MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER;
    if (name.buf.tag != uri) return fail(ErrorCode::invalid, "has a name of another type than URI");
    auto identity = model::Identity::parse(text_of(name.buf));
    if (!identity) return fail(std::move(identity.error()));
    return *std::move(identity);
}

} // namespace

Result<std::string> generate_key_pem() {
    initialise_library();
    PkHandle key;
    int error = mbedtls_pk_setup(key.get(), mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (error == 0)
        error = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key.get()),
                                    random_bytes, nullptr);
    if (error != 0) return fail(ErrorCode::internal, "making a key: " + library_error(error));
    SecretBytes<key_text_bytes> buffer(key_text_bytes);
    error = mbedtls_pk_write_key_pem(key.get(), buffer.data(), buffer.size());
    if (error != 0) return fail(ErrorCode::internal, "writing a key: " + library_error(error));
    return std::string(reinterpret_cast<const char*>(buffer.data()));
}

Result<std::string> public_key_of(std::string_view key_pem) {
    PkHandle key;
    if (auto parsed = parse_private_key(key_pem, key.get()); !parsed)
        return fail(std::move(parsed.error()));
    return public_key_der(*key.get());
}

Result<std::string> make_csr(std::string_view key_pem, const model::Identity& identity) {
    PkHandle key;
    if (auto parsed = parse_private_key(key_pem, key.get()); !parsed)
        return fail(std::move(parsed.error()));
    CsrWriter writer;
    mbedtls_x509write_csr_set_key(writer.get(), key.get());
    mbedtls_x509write_csr_set_md_alg(writer.get(), MBEDTLS_MD_SHA256);
    const std::string subject = subject_of(identity.name);
    int error = mbedtls_x509write_csr_set_subject_name(writer.get(), subject.c_str());
    UriName name(identity.to_uri());
    if (error == 0)
        error = mbedtls_x509write_csr_set_subject_alternative_name(writer.get(), name.list());
    std::array<unsigned char, limits::csr_bytes> buffer;
    int size = error;
    if (error == 0)
        size = mbedtls_x509write_csr_der(writer.get(), buffer.data(), buffer.size(), random_bytes,
                                         nullptr);
    if (size < 0) return fail(ErrorCode::internal, "certificate request: " + library_error(size));
    return std::string(as_text(ByteView(buffer).last(static_cast<std::size_t>(size))));
}

Result<Csr> parse_csr(ByteView der) {
    initialise_library();
    constexpr std::string_view what = "certificate request";
    if (der.size() > limits::csr_bytes)
        return fail(ErrorCode::resource_exhausted, "certificate request: too large");
    CsrHandle csr;
    if (auto wrong = check_request_form(der))
        return fail(Error{.code = ErrorCode::invalid, .message = *std::move(wrong)}, what);
    const int error = mbedtls_x509_csr_parse_der(csr.get(), der.data(), der.size());
    if (error != 0)
        return fail(Error{.code = ErrorCode::invalid, .message = library_error(error)}, what);
    if (!is_p256(csr->pk))
        return fail(ErrorCode::invalid, "certificate request: not of an ECDSA P-256 key");
    if (auto checked = check_self_signature(*csr.get()); !checked)
        return fail(std::move(checked.error()), what);
    auto identity = requested_identity(*csr.get());
    if (!identity) return fail(std::move(identity.error()), what);
    auto key = public_key_der(csr->pk);
    if (!key) return fail(std::move(key.error()), what);
    return Csr{.public_key_der = *std::move(key), .identity = *std::move(identity)};
}

} // namespace hawser::tls
