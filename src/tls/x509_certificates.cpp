// Certificates: issuing, describing, PEM and back.
#include <mbedtls/asn1write.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/sha256.h>

#include <array>
#include <chrono>
#include <format>

#include "base/check.h"
#include "base/limits.h"
#include "base/random.h"
#include "tls/library.h"
#include "tls/peer_verification.h"
#include "tls/x509.h"
#include "tls/x509_names.h"

namespace hawser::tls {
namespace {

using CrtWriter =
    Handle<mbedtls_x509write_cert, mbedtls_x509write_crt_init, mbedtls_x509write_crt_free>;
using PemHandle = Handle<mbedtls_pem_context, mbedtls_pem_init, mbedtls_pem_free>;

constexpr const char* pem_begin = "-----BEGIN CERTIFICATE-----\n";
constexpr const char* pem_end = "-----END CERTIFICATE-----\n";

// "20260102030405", as X.509 writers take it; years beyond four digits do not fit.
Result<std::string> x509_time(WallTime time) {
    using namespace std::chrono;
    constexpr WallTime last = sys_days(year(9999) / 12 / 31).time_since_epoch() / milliseconds(1);
    if (time < 0 || time > last) return fail(ErrorCode::invalid, "time out of range");
    return std::format("{:%Y%m%d%H%M%S}", sys_seconds(duration_cast<seconds>(milliseconds(time))));
}

constexpr std::size_t generation_bytes = 8;
constexpr std::size_t long_serial_bytes = 1 + generation_bytes + 8;

int set_long_serial(mbedtls_x509write_cert* writer, std::uint64_t generation) {
    std::array<std::uint8_t, long_serial_bytes> serial;
    fill_secure_random(serial);
    serial[0] = 1; // positive, always 17 bytes
    for (std::size_t at = generation_bytes; at > 0; --at, generation >>= 8)
        serial[at] = static_cast<std::uint8_t>(generation);
    return mbedtls_x509write_crt_set_serial_raw(writer, serial.data(), serial.size());
}

int set_serial(mbedtls_x509write_cert* writer, std::uint64_t generation) {
    if (generation != 0) return set_long_serial(writer, generation);
    std::array<std::uint8_t, 16> serial;
    fill_secure_random(serial);
    serial[0] = static_cast<std::uint8_t>((serial[0] & 0x7f) | 0x40); // positive, always 16 bytes
    return mbedtls_x509write_crt_set_serial_raw(writer, serial.data(), serial.size());
}

int set_extended_usage(mbedtls_x509write_cert* writer) {
    const auto usage = [](const char* oid, std::size_t length, mbedtls_asn1_sequence* next) {
        mbedtls_asn1_sequence one{};
        one.buf.tag = MBEDTLS_ASN1_OID;
        one.buf.p = reinterpret_cast<unsigned char*>(const_cast<char*>(oid));
        one.buf.len = length;
        one.next = next;
        return one;
    };
    auto server =
        usage(MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH), nullptr);
    auto client =
        usage(MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH), &server);
    return mbedtls_x509write_crt_set_ext_key_usage(writer, &client);
}

// What tells an issuer's certificates apart when their names are equal. mbedTLS makes these of
// SHA-1 only; RFC 7093 has 160 bits of SHA-256.
int set_key_identifiers(mbedtls_x509write_cert* writer, std::string_view public_key_der,
                        const mbedtls_x509_crt& issuer) {
    constexpr std::size_t id_bytes = 20;
    const std::string own = sha256(as_bytes(public_key_der)).substr(0, id_bytes);
    const std::string_view from_issuer = text_of(issuer.subject_key_id);
    const std::string_view authority = from_issuer.size() == id_bytes ? from_issuer : own;
    const std::string subject_value = "\x04\x14" + own; // OCTET STRING
    const std::string authority_value =
        "\x30\x16\x80\x14" + std::string(authority); // SEQUENCE { [0] keyIdentifier }
    const auto add = [writer](const char* oid, std::size_t length, std::string_view value) {
        const ByteView bytes = as_bytes(value);
        return mbedtls_x509write_crt_set_extension(writer, oid, length, 0, bytes.data(),
                                                   bytes.size());
    };
    const int error = add(MBEDTLS_OID_SUBJECT_KEY_IDENTIFIER,
                          MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_KEY_IDENTIFIER), subject_value);
    if (error != 0) return error;
    return add(MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER,
               MBEDTLS_OID_SIZE(MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER), authority_value);
}

int set_extensions(mbedtls_x509write_cert* writer, const CertificateRequest& request,
                   const mbedtls_x509_crt& issuer) {
    const bool leaf = request.use == CertificateUse::leaf;
    const int path_length = request.use == CertificateUse::root ? 1 : 0;
    int error =
        mbedtls_x509write_crt_set_basic_constraints(writer, leaf ? 0 : 1, leaf ? -1 : path_length);
    if (error == 0)
        error = mbedtls_x509write_crt_set_key_usage(
            writer, leaf ? MBEDTLS_X509_KU_DIGITAL_SIGNATURE
                         : MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN);
    if (error == 0 && leaf) error = set_extended_usage(writer);
    if (error == 0) error = set_key_identifiers(writer, request.public_key_der, issuer);
    if (error == 0 && request.identity) {
        const UriName name(request.identity->to_uri());
        error = mbedtls_x509write_crt_set_subject_alternative_name(writer, name.list());
    }
    return error;
}

Result<std::string> name_of(const mbedtls_x509_name& name) {
    std::array<char, 512> text;
    const int size = mbedtls_x509_dn_gets(text.data(), text.size(), &name);
    if (size < 0) return fail(ErrorCode::invalid, library_error(size));
    return std::string(text.data(), static_cast<std::size_t>(size));
}

// Whose certificate it is, and by whom.
struct Parties {
    PkHandle subject_key, issuer_key;
    CrtHandle issuer; // empty if self-signed
    std::string issuer_name;
};

Result<void> load(const CertificateRequest& request, Parties& parties) {
    const ByteView key = as_bytes(request.public_key_der);
    int error = mbedtls_pk_parse_public_key(parties.subject_key.get(), key.data(), key.size());
    if (error != 0) return fail(ErrorCode::invalid, "public key: " + library_error(error));
    if (!is_p256(*parties.subject_key.get()))
        return fail(ErrorCode::invalid, "public key: not ECDSA P-256");
    if (auto parsed = parse_private_key(request.issuer_key_pem, parties.issuer_key.get()); !parsed)
        return parsed;
    parties.issuer_name = subject_of(request.common_name);
    if (!request.issuer_der) return {};
    const ByteView der = as_bytes(*request.issuer_der);
    error = mbedtls_x509_crt_parse_der(parties.issuer.get(), der.data(), der.size());
    if (error != 0) return fail(ErrorCode::invalid, "issuer: " + library_error(error));
    auto name = name_of(parties.issuer->subject);
    if (!name) return fail(std::move(name.error()), "issuer");
    parties.issuer_name = *std::move(name);
    return {};
}

int set_names(mbedtls_x509write_cert* writer, const CertificateRequest& request,
              const Parties& parties) {
    const std::string subject = subject_of(request.common_name);
    const int error = mbedtls_x509write_crt_set_subject_name(writer, subject.c_str());
    if (error != 0) return error;
    return mbedtls_x509write_crt_set_issuer_name(writer, parties.issuer_name.c_str());
}

} // namespace

std::string subject_of(std::string_view common_name) {
    constexpr std::size_t longest = 64;
    std::string subject = "CN=";
    for (const char c : common_name.substr(0, longest)) {
        if (std::string_view(",=+<>#;\"\\").contains(c)) subject.push_back('\\');
        subject.push_back(c);
    }
    return subject;
}

Result<std::string> issue_certificate(const CertificateRequest& request) {
    initialise_library();
    constexpr std::string_view what = "issuing a certificate";
    if (request.use == CertificateUse::leaf && !request.identity)
        return fail(ErrorCode::invalid, "issuing a certificate: a leaf needs an identity");
    Parties parties;
    if (auto loaded = load(request, parties); !loaded) return fail(std::move(loaded.error()), what);
    const auto from = x509_time(request.not_before), to = x509_time(request.not_after);
    if (!from || !to) return fail((from ? to : from).error(), what);

    CrtWriter writer;
    mbedtls_x509write_crt_set_version(writer.get(), MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(writer.get(), MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(writer.get(), parties.subject_key.get());
    mbedtls_x509write_crt_set_issuer_key(writer.get(), parties.issuer_key.get());
    int error = mbedtls_x509write_crt_set_validity(writer.get(), from->c_str(), to->c_str());
    if (error == 0) error = set_names(writer.get(), request, parties);
    if (error == 0) error = set_serial(writer.get(), request.generation);
    if (error == 0) error = set_extensions(writer.get(), request, *parties.issuer.get());
    std::array<unsigned char, 4096> buffer;
    int size = error;
    if (error == 0)
        size = mbedtls_x509write_crt_der(writer.get(), buffer.data(), buffer.size(), random_bytes,
                                         nullptr);
    if (size < 0)
        return fail(Error{.code = ErrorCode::internal, .message = library_error(size)}, what);
    return std::string(as_text(ByteView(buffer).last(static_cast<std::size_t>(size))));
}

std::uint64_t generation_in(std::string_view serial) {
    const Result<std::string> bytes = from_hex(serial);
    if (!bytes || bytes->size() != long_serial_bytes || bytes->front() != 1) return 0;
    std::uint64_t generation = 0;
    for (const char byte : bytes->substr(1, generation_bytes))
        generation = generation << 8 | static_cast<std::uint8_t>(byte);
    return generation;
}

Result<void> check_issued_by(ByteView certificate_der, ByteView issuer_der) {
    initialise_library();
    CrtHandle certificate, issuer;
    int error = mbedtls_x509_crt_parse_der(certificate.get(), certificate_der.data(),
                                           certificate_der.size());
    if (error == 0)
        error = mbedtls_x509_crt_parse_der(issuer.get(), issuer_der.data(), issuer_der.size());
    if (error != 0) return fail(ErrorCode::invalid, "certificate: " + library_error(error));
    std::uint32_t flags = 0;
    mbedtls_x509_crt_verify_with_profile(certificate.get(), issuer.get(), nullptr,
                                         &certificate_profile, nullptr, &flags, nullptr, nullptr);
    if ((flags & ~(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE)) != 0)
        return fail(ErrorCode::invalid, "certificate: not signed by this issuer");
    return {};
}

Result<CertificateInfo> describe_certificate(ByteView der) {
    initialise_library();
    CrtHandle certificate;
    const int error = mbedtls_x509_crt_parse_der(certificate.get(), der.data(), der.size());
    if (error != 0) return fail(ErrorCode::invalid, "certificate: " + library_error(error));
    if (certificate->raw.len != der.size())
        return fail(ErrorCode::invalid, "certificate: with bytes after it");
    auto subject = name_of(certificate->subject);
    if (!subject) return fail(std::move(subject.error()), "certificate");
    CertificateInfo info{
        .identity = std::nullopt,
        .subject = *std::move(subject),
        .serial = to_hex(bytes_of(certificate->serial)),
        .not_before = to_wall_time(certificate->valid_from),
        .not_after = to_wall_time(certificate->valid_to),
        .is_ca = certificate->MBEDTLS_PRIVATE(ca_istrue) != 0,
        .public_key_der = std::string(text_of(certificate->pk_raw)),
    };
    if (auto identity = leaf_identity(*certificate.get())) info.identity = *std::move(identity);
    return info;
}

std::string to_pem(ByteView der) {
    // Base64 lines of 64 characters, header and footer.
    std::string text(der.size() * 2 + 128, '\0');
    std::size_t size = 0;
    const int error =
        mbedtls_pem_write_buffer(pem_begin, pem_end, der.data(), der.size(),
                                 reinterpret_cast<unsigned char*>(text.data()), text.size(), &size);
    HAWSER_CHECK(error == 0 && size > 0);
    text.resize(size - 1); // without the NUL
    return text;
}

Result<std::vector<std::string>> chain_from_pem(std::string_view pem) {
    constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----";
    constexpr std::size_t largest = limits::certificate_chain * 2 * limits::certificate_bytes;
    if (pem.size() > largest) return fail(ErrorCode::resource_exhausted, "PEM text is too large");
    std::vector<std::string> chain;
    std::string rest(pem);
    for (std::size_t at = rest.find(begin); at != std::string::npos; at = rest.find(begin, at)) {
        if (chain.size() == limits::certificate_chain)
            return fail(ErrorCode::resource_exhausted,
                        std::format("more than {} certificates", limits::certificate_chain));
        PemHandle block;
        std::size_t used = 0;
        const int error = mbedtls_pem_read_buffer(
            block.get(), "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----",
            reinterpret_cast<const unsigned char*>(rest.c_str() + at), nullptr, 0, &used);
        if (error != 0)
            return fail(ErrorCode::invalid, std::format("certificate {} of the PEM text: {}",
                                                        chain.size() + 1, library_error(error)));
        std::size_t size = 0;
        const unsigned char* der = mbedtls_pem_get_buffer(block.get(), &size);
        if (auto info = describe_certificate({der, size}); !info)
            return fail(std::move(info.error()),
                        std::format("certificate {} of the PEM text", chain.size() + 1));
        chain.emplace_back(reinterpret_cast<const char*>(der), size);
        at += used;
    }
    if (chain.empty()) return fail(ErrorCode::invalid, "no certificate in the PEM text");
    return chain;
}

std::string sha256(ByteView bytes) {
    std::string hash(32, '\0');
    HAWSER_CHECK(mbedtls_sha256(bytes.data(), bytes.size(),
                                reinterpret_cast<unsigned char*>(hash.data()), 0) == 0);
    return hash;
}

} // namespace hawser::tls
