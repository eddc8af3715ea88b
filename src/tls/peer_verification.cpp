#include "tls/peer_verification.h"

#include <mbedtls/oid.h>

#include <chrono>
#include <format>

#include "base/limits.h"
#include "tls/certificate_form.h"
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

bool is_for(const mbedtls_x509_crt& certificate, std::string_view use) {
    for (const mbedtls_x509_sequence* each = &certificate.ext_key_usage; each != nullptr;
         each = each->next)
        if (text_of(each->buf) == use) return true;
    return false;
}

// The extended use that the side of a connection needs, as an object identifier.
std::string_view use_of(Role role) {
    return role == Role::server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH;
}

std::string not_for(Role role) {
    return std::format("extended key usage: not for TLS {}s",
                       role == Role::server ? "server" : "client");
}

// OID 2.5.29.37.0; mbedTLS's macro ends in a NUL that a C string would lose.
constexpr std::string_view any_use("\x55\x1d\x25\x00", 4);

bool has_name(const mbedtls_x509_crt& certificate, const mbedtls_x509_buf& name) {
    return text_of(certificate.subject_raw) == text_of(name);
}

// Why no authority that we know has signed `certificate`, as far as the peer's chain tells.
std::string why_untrusted(const mbedtls_x509_crt& certificate, int depth,
                          const mbedtls_x509_crt* chain) {
    const std::string whose = depth == 0 ? "" : "its issuer is ";
    if (has_name(certificate, certificate.issuer_raw))
        return depth == 0 ? "is self-signed" : "signed by an unknown authority";
    const mbedtls_x509_crt* issuer = chain;
    while (issuer != nullptr &&
           (issuer == &certificate || !has_name(*issuer, certificate.issuer_raw)))
        issuer = issuer->next;
    if (issuer == nullptr) return "signed by an unknown authority";
    if (issuer->MBEDTLS_PRIVATE(ca_istrue) == 0)
        return whose + "signed by a certificate that is no authority's";
    if (mbedtls_x509_crt_check_key_usage(issuer, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0)
        return whose + "signed by an authority whose key usage is not for certificates";
    // mbedTLS keeps one more than what it read; 0: no limit.
    const int below = issuer->MBEDTLS_PRIVATE(max_pathlen);
    if (below > 0 && below - 1 < depth)
        return whose + "signed by an authority that allows no other below it (path length)";
    return "signed by an unknown authority, not by the one that it names";
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
    if (first.buf.p == nullptr) return refuse("has an empty list of names");
    for (const mbedtls_x509_sequence* each = &first; each != nullptr; each = each->next) {
        constexpr int uri =
            MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER;
        if (each->buf.tag != uri)
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
    // By name: "any" use is for an authority to narrow.
    if (!is_for(leaf, use_of(owner))) return refuse(not_for(owner));
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
    if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        untrusted_ = &certificate;
        untrusted_depth_ = depth;
    }
    if ((flags & time_flags) != 0 && !out_of_time_)
        out_of_time_ = check_validity(certificate, depth);
    if (depth > 0) note_issuer(certificate);
}

// An authority that an outside one made for some other purpose signs nobody of the mesh.
void PeerVerification::note_issuer(const mbedtls_x509_crt& issuer) {
    const bool limited =
        mbedtls_x509_crt_has_ext_type(&issuer, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE);
    if (!limited || is_for(issuer, use_of(requirements_.peer_role)) || is_for(issuer, any_use))
        return;
    bad_issuer_ =
        Refusal{Alert::unsupported_certificate, "its issuer's " + not_for(requirements_.peer_role)};
}

std::optional<Refusal> PeerVerification::check_signatures(const mbedtls_x509_crt& leaf) const {
    if ((flags_ & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        Refusal refusal{Alert::unknown_ca, why_untrusted(*untrusted_, untrusted_depth_, &leaf)};
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
    for (const mbedtls_x509_crt* each = &leaf; each != nullptr; each = each->next)
        if (auto wrong = check_certificate_form(bytes_of(each->raw)))
            return Refusal{Alert::bad_certificate,
                           (each == &leaf ? "" : "its issuer: ") + *std::move(wrong)};
    if (auto refusal = check_signatures(leaf)) return refusal;
    if (out_of_time_) return out_of_time_;
    if (bad_issuer_) return bad_issuer_;
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
