#include "ca/authority.h"

#include <algorithm>
#include <chrono>
#include <format>

#include "base/limits.h"
#include "tls/x509.h"

namespace hawser::ca {
namespace {

using std::chrono::days;

constexpr WallTime to_wall(Duration duration) {
    return duration.count();
}

constexpr WallTime root_lifetime = to_wall(days(3653)); // 10 years
constexpr WallTime intermediate_lifetime = to_wall(days(365));
// Hosts whose clock is behind ours must be able to use a certificate at once.
constexpr WallTime backdated = to_wall(limits::clock_skew);

// Everything a certificate says beside its key: who, by whom, until when.
Result<std::string> issue(tls::CertificateRequest request, std::string_view subject_key_pem) {
    auto key = tls::public_key_of(subject_key_pem);
    if (!key) return fail(std::move(key.error()));
    request.public_key_der = *std::move(key);
    return tls::issue_certificate(request);
}

} // namespace

Result<NewAuthority> create_authority(std::string_view trust_domain, WallTime now) {
    if (auto valid = model::check_trust_domain(trust_domain); !valid)
        return fail(std::move(valid.error()));
    auto root_key = tls::generate_key_pem(), intermediate_key = tls::generate_key_pem();
    if (!root_key) return fail(std::move(root_key.error()), "root");
    if (!intermediate_key) return fail(std::move(intermediate_key.error()), "intermediate");

    auto root = issue({.use = tls::CertificateUse::root,
                       .common_name = std::format("hawser root {}", trust_domain),
                       .issuer_key_pem = *root_key,
                       .not_before = now - backdated,
                       .not_after = now + root_lifetime},
                      *root_key);
    if (!root) return fail(std::move(root.error()), "root");
    auto intermediate = issue({.use = tls::CertificateUse::intermediate,
                               .common_name = std::format("hawser intermediate {}", trust_domain),
                               .issuer_key_pem = *root_key,
                               .issuer_der = *root,
                               .not_before = now - backdated,
                               .not_after = now + intermediate_lifetime},
                              *intermediate_key);
    if (!intermediate) return fail(std::move(intermediate.error()), "intermediate");
    return NewAuthority{.root_der = *std::move(root),
                        .root_key_pem = *std::move(root_key),
                        .intermediate_der = *std::move(intermediate),
                        .intermediate_key_pem = *std::move(intermediate_key)};
}

Result<Authority> Authority::load(std::string trust_domain, std::string root_der,
                                  std::string intermediate_der, std::string intermediate_key_pem) {
    if (auto valid = model::check_trust_domain(trust_domain); !valid)
        return fail(std::move(valid.error()));
    const auto root = tls::describe_certificate(as_bytes(root_der));
    if (!root) return fail(root.error(), "root");
    if (!root->is_ca) return fail(ErrorCode::invalid, "root: not the certificate of an authority");
    const auto intermediate = tls::describe_certificate(as_bytes(intermediate_der));
    if (!intermediate) return fail(intermediate.error(), "intermediate");
    if (!intermediate->is_ca)
        return fail(ErrorCode::invalid, "intermediate: not the certificate of an authority");
    const auto key = tls::public_key_of(intermediate_key_pem);
    if (!key) return fail(key.error(), "intermediate");
    if (*key != intermediate->public_key_der)
        return fail(ErrorCode::invalid, "intermediate: the private key is of another certificate");
    if (auto issued = tls::check_issued_by(as_bytes(intermediate_der), as_bytes(root_der)); !issued)
        return fail(std::move(issued.error()), "intermediate");

    Authority authority;
    authority.trust_domain_ = std::move(trust_domain);
    authority.root_der_ = std::move(root_der);
    authority.intermediate_der_ = std::move(intermediate_der);
    authority.intermediate_key_pem_ = tls::SecretText(std::move(intermediate_key_pem));
    authority.intermediate_not_after_ = intermediate->not_after;
    return authority;
}

Result<std::string> Authority::requested_key(ByteView csr_der, const model::Identity& identity,
                                             WallTime now) const {
    if (identity.trust_domain != trust_domain_)
        return fail(ErrorCode::permission_denied,
                    std::format("{} is not of trust domain {}", identity.to_uri(), trust_domain_));
    if (now >= intermediate_not_after_)
        return fail(ErrorCode::failed_precondition, "the intermediate certificate expired on " +
                                                        format_time(intermediate_not_after_));
    auto csr = tls::parse_csr(csr_der);
    if (!csr) return fail(std::move(csr.error()));
    if (csr->identity && *csr->identity != identity)
        return fail(ErrorCode::permission_denied,
                    std::format("certificate request: for {}, but only {} may be signed",
                                csr->identity->to_uri(), identity.to_uri()));
    return std::move(csr->public_key_der);
}

Result<std::string> Authority::sign(ByteView csr_der, const model::Identity& identity, WallTime now,
                                    Duration lifetime, std::uint64_t generation) const {
    if (lifetime <= Duration::zero())
        return fail(ErrorCode::invalid, "a certificate's lifetime must be positive");
    auto key = requested_key(csr_der, identity, now);
    if (!key) return fail(std::move(key.error()));
    const WallTime not_after = lifetime.count() < intermediate_not_after_ - now
                                   ? now + lifetime.count()
                                   : intermediate_not_after_;
    const auto leaf = tls::issue_certificate({.use = tls::CertificateUse::leaf,
                                              .common_name = identity.name,
                                              .identity = identity,
                                              .public_key_der = std::move(*key),
                                              .issuer_key_pem = intermediate_key_pem_,
                                              .issuer_der = intermediate_der_,
                                              .not_before = now - backdated,
                                              .not_after = not_after,
                                              .generation = generation});
    if (!leaf) return fail(leaf.error());
    return tls::to_pem(as_bytes(*leaf)) + tls::to_pem(as_bytes(intermediate_der_));
}

} // namespace hawser::ca
