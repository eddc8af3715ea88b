#include "tls/peer_verification.h"

#include <mbedtls/oid.h>

#include <chrono>
#include <format>

#include "base/limits.h"
#include "tls/x509.h"

namespace hawser::tls {
namespace {

constexpr std::uint32_t time_flags = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
constexpr std::uint32_t algorithm_flags =
    MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY;
constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();

std::string name_type(int tag) {
    switch (tag & MBEDTLS_ASN1_TAG_VALUE_MASK) {
        case MBEDTLS_X509_SAN_DNS_NAME: return "DNS";
        case MBEDTLS_X509_SAN_IP_ADDRESS: return "IP address";
        case MBEDTLS_X509_SAN_RFC822_NAME: return "e-mail";
        case MBEDTLS_X509_SAN_DIRECTORY_NAME: return "directory";
        default: return "other";
    }
}

std::optional<Refusal> check_validity(const mbedtls_x509_crt& certificate, int depth) {
    const WallTime from = to_wall_time(certificate.valid_from);
    const WallTime to = to_wall_time(certificate.valid_to);
    const WallTime time = now();
    const std::string whose = depth == 0 ? "" : "its issuer ";
    if (time > to + skew)
        return Refusal{Alert::certificate_expired, whose + "expired on " + format_time(to)};
    if (time < from - skew)
        return Refusal{Alert::bad_certificate,
                       std::format("{}not valid before {}", depth == 0 ? "" : "its issuer is ",
                                   format_time(from))};
    return std::nullopt;
}

std::size_t length(const mbedtls_x509_crt* chain) {
    std::size_t count = 0;
    for (; chain != nullptr; chain = chain->next) ++count;
    return count;
}

PeerCertificate describe(const mbedtls_x509_crt& leaf, model::Identity identity) {
    PeerCertificate peer{
        .identity = std::move(identity),
        .not_after = to_wall_time(leaf.valid_to),
        .serial = to_hex(bytes_of(leaf.serial)),
        .sha256 = sha256(bytes_of(leaf.raw)),
        .chain_der = {},
    };
    for (const mbedtls_x509_crt* each = &leaf; each != nullptr; each = each->next)
        peer.chain_der.emplace_back(text_of(each->raw));
    return peer;
}

} // namespace

const mbedtls_x509_crt_profile certificate_profile = {
    .allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256),
    .allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
    .allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1),
    .rsa_min_bitlen = 0,
};

std::expected<model::Identity, Refusal> leaf_identity(const mbedtls_x509_crt& leaf) {
    const auto refuse = [](std::string reason) {
        return std::unexpected(Refusal{Alert::bad_certificate, std::move(reason)});
    };
    if (!mbedtls_x509_crt_has_ext_type(&leaf, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME))
        return refuse("has no subject alternative name");
    const mbedtls_x509_sequence& first = leaf.subject_alt_names;
    for (const mbedtls_x509_sequence* each = &first; each != nullptr; each = each->next) {
        const int type = each->buf.tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        if (type != MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER)
            return refuse(
                std::format("has a name of another type than URI ({})", name_type(each->buf.tag)));
    }
    if (first.next != nullptr) return refuse("has more than one URI name");
    const std::string_view uri = text_of(first.buf);
    if (uri.find('\0') != std::string_view::npos) return refuse("has a name with a NUL in it");
    auto identity = model::Identity::parse(uri);
    if (!identity) return refuse("has no valid identity: " + identity.error().message);
    return *std::move(identity);
}

std::optional<Refusal> check_leaf_usage(const mbedtls_x509_crt& leaf, Role owner) {
    const auto refuse = [](std::string reason) {
        return Refusal{Alert::unsupported_certificate, std::move(reason)};
    };
    constexpr unsigned signing_certificates =
        MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN;
    if (leaf.MBEDTLS_PRIVATE(ca_istrue) != 0) return refuse("belongs to an authority (CA:TRUE)");
    if (!mbedtls_x509_crt_has_ext_type(&leaf, MBEDTLS_X509_EXT_KEY_USAGE) ||
        mbedtls_x509_crt_check_key_usage(&leaf, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) != 0)
        return refuse("key usage: not for digital signatures");
    if ((leaf.MBEDTLS_PRIVATE(key_usage) & signing_certificates) != 0)
        return refuse("key usage: may sign certificates, as only an authority may");
    const bool server = owner == Role::server;
    const char* oid = server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
    const std::size_t oid_length = server ? MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)
                                          : MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH);
    if (!mbedtls_x509_crt_has_ext_type(&leaf, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE) ||
        mbedtls_x509_crt_check_extended_key_usage(&leaf, oid, oid_length) != 0)
        return refuse(
            std::format("extended key usage: not for TLS {}s", server ? "server" : "client"));
    return std::nullopt;
}

void PeerVerification::see(mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
    if (!requirements_.root_pin) note(certificate, depth, flags);
    flags = 0;
    if (depth > 0) return;
    refusal_ = requirements_.root_pin ? decide_pinned(certificate) : decide(certificate);
}

void PeerVerification::note(const mbedtls_x509_crt& certificate, int depth, std::uint32_t flags) {
    flags_ |= flags & ~time_flags;
    if ((flags & time_flags) != 0 && !out_of_time_)
        out_of_time_ = check_validity(certificate, depth);
}

std::optional<Refusal> PeerVerification::check_signatures(const mbedtls_x509_crt& leaf) const {
    if ((flags_ & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        Refusal refusal{Alert::unknown_ca, "signed by an unknown authority"};
        if (const auto claimed = leaf_identity(leaf))
            refusal.reason += std::format(" (it claims to be {})", claimed->to_uri());
        return refusal;
    }
    if ((flags_ & algorithm_flags) != 0)
        return Refusal{Alert::unsupported_certificate, "not ECDSA P-256 with SHA-256"};
    if (flags_ != 0)
        return Refusal{Alert::certificate_unknown, std::format("not acceptable ({:#x})", flags_)};
    return std::nullopt;
}

std::optional<Refusal> PeerVerification::decide(mbedtls_x509_crt& leaf) {
    if (const std::size_t count = length(&leaf); count > limits::certificate_chain)
        return Refusal{Alert::bad_certificate,
                       std::format("a chain of {} certificates, more than {}", count,
                                   limits::certificate_chain)};
    if (auto refusal = check_signatures(leaf)) return refusal;
    if (out_of_time_) return out_of_time_;
    if (auto refusal = check_leaf_usage(leaf, requirements_.peer_role)) return refusal;
    auto identity = leaf_identity(leaf);
    if (!identity) return identity.error();
    // Empty only while joining, with the root pinned instead.
    if (!requirements_.trust_domain.empty() && identity->trust_domain != requirements_.trust_domain)
        return Refusal{Alert::access_denied,
                       std::format("not of trust domain {} but of {}", requirements_.trust_domain,
                                   identity->trust_domain)};
    if (requirements_.identity && *identity != *requirements_.identity)
        return Refusal{Alert::access_denied,
                       std::format("of {}, but {} was expected", identity->to_uri(),
                                   requirements_.identity->to_uri())};
    peer_ = describe(leaf, *std::move(identity));
    return std::nullopt;
}

// mbedTLS has no root to trust here. The one that the pin names is taken from the peer's own
// chain, and the chain verified against it from the start.
std::optional<Refusal> PeerVerification::decide_pinned(mbedtls_x509_crt& leaf) {
    CrtHandle root;
    for (const mbedtls_x509_crt* each = &leaf; each != nullptr; each = each->next)
        if (sha256(bytes_of(each->raw)) == *requirements_.root_pin) {
            const int error = mbedtls_x509_crt_parse_der(root.get(), each->raw.p, each->raw.len);
            if (error != 0) return Refusal{Alert::bad_certificate, library_error(error)};
            break;
        }
    if (root->raw.p == nullptr)
        return Refusal{Alert::unknown_ca, "its chain has no root that matches the pin"};

    requirements_.root_pin.reset();
    const auto follow = [](void* self, mbedtls_x509_crt* each, int depth, std::uint32_t* flags) {
        static_cast<PeerVerification*>(self)->see(*each, depth, *flags);
        return 0;
    };
    std::uint32_t flags = 0;
    const int error = mbedtls_x509_crt_verify_with_profile(
        &leaf, root.get(), nullptr, &certificate_profile, nullptr, &flags, follow, this);
    if (error != 0 && !refusal_) return Refusal{Alert::certificate_unknown, library_error(error)};
    return refusal_;
}

} // namespace hawser::tls
