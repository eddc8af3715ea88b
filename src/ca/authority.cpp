#include "ca/authority.h"

#include <algorithm>
#include <chrono>
#include <format>

#include "base/limits.h"
#include "tls/x509.h"

namespace hawser::ca {
namespace {

constexpr WallTime to_wall(Duration duration) {
    return duration.count();
}

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

Result<NewIntermediate> create_intermediate(std::string_view trust_domain,
                                            const std::string& root_der,
                                            std::string_view root_key_pem, WallTime now,
                                            Duration lifetime) {
    const auto root = tls::describe_certificate(as_bytes(root_der));
    if (!root) return fail(root.error(), "root");
    auto key = tls::generate_key_pem();
    if (!key) return fail(std::move(key.error()), "intermediate");
    auto der = issue({.use = tls::CertificateUse::intermediate,
                      .common_name = std::format("hawser intermediate {}", trust_domain),
                      .issuer_key_pem = root_key_pem,
                      .issuer_der = root_der,
                      .not_before = now - backdated,
                      .not_after = std::min(now + to_wall(lifetime), root->not_after)},
                     *key);
    if (!der) return fail(std::move(der.error()), "intermediate");
    return NewIntermediate{.der = *std::move(der), .key_pem = *std::move(key)};
}

Result<NewAuthority> create_authority(std::string_view trust_domain, WallTime now,
                                      Lifetimes lifetimes) {
    if (auto valid = model::check_trust_domain(trust_domain); !valid)
        return fail(std::move(valid.error()));
    auto root_key = tls::generate_key_pem();
    if (!root_key) return fail(std::move(root_key.error()), "root");
    auto root = issue({.use = tls::CertificateUse::root,
                       .common_name = std::format("hawser root {}", trust_domain),
                       .issuer_key_pem = *root_key,
                       .not_before = now - backdated,
                       .not_after = now + to_wall(lifetimes.root)},
                      *root_key);
    if (!root) return fail(std::move(root.error()), "root");
    auto intermediate =
        create_intermediate(trust_domain, *root, *root_key, now, lifetimes.intermediate);
    if (!intermediate) return fail(std::move(intermediate.error()));
    return NewAuthority{.root_der = *std::move(root),
                        .root_key_pem = *std::move(root_key),
                        .intermediate_der = std::move(intermediate->der),
                        .intermediate_key_pem = std::move(intermediate->key_pem)};
}

Result<Authority> Authority::load(std::string trust_domain, std::string root_der,
                                  std::vector<std::string> chain, std::string key_pem) {
    if (auto valid = model::check_trust_domain(trust_domain); !valid)
        return fail(std::move(valid.error()));
    if (chain.empty()) return fail(ErrorCode::invalid, "there is no certificate to sign with");
    const auto root = tls::describe_certificate(as_bytes(root_der));
    if (!root) return fail(root.error(), "root");
    if (!root->is_ca) return fail(ErrorCode::invalid, "root: not the certificate of an authority");
    Authority authority;
    authority.not_after_ = root->not_after;
    for (std::size_t at = 0; at < chain.size(); ++at) {
        const auto link = tls::describe_certificate(as_bytes(chain[at]));
        if (!link) return fail(link.error(), "intermediate");
        if (!link->is_ca)
            return fail(ErrorCode::invalid, "intermediate: not the certificate of an authority");
        const std::string& issuer = at + 1 < chain.size() ? chain[at + 1] : root_der;
        if (auto issued = tls::check_issued_by(as_bytes(chain[at]), as_bytes(issuer)); !issued)
            return fail(std::move(issued.error()), "intermediate");
        authority.not_after_ = std::min(authority.not_after_, link->not_after);
    }
    const auto key = tls::public_key_of(key_pem);
    if (!key) return fail(key.error(), "intermediate");
    if (*key != tls::describe_certificate(as_bytes(chain.front()))->public_key_der)
        return fail(ErrorCode::invalid, "intermediate: the private key is of another certificate");

    authority.trust_domain_ = std::move(trust_domain);
    authority.root_der_ = std::move(root_der);
    authority.chain_ = std::move(chain);
    authority.key_pem_ = tls::SecretText(std::move(key_pem));
    return authority;
}

Result<std::string> Authority::requested_key(ByteView csr_der, const model::Identity& identity,
                                             WallTime now) const {
    if (identity.trust_domain != trust_domain_)
        return fail(ErrorCode::permission_denied,
                    std::format("{} is not of trust domain {}", identity.to_uri(), trust_domain_));
    if (now >= not_after_)
        return fail(ErrorCode::failed_precondition,
                    "the intermediate certificate expired on " + format_time(not_after_));
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
    const WallTime not_after =
        lifetime.count() < not_after_ - now ? now + lifetime.count() : not_after_;
    const auto leaf = tls::issue_certificate({.use = tls::CertificateUse::leaf,
                                              .common_name = identity.name,
                                              .identity = identity,
                                              .public_key_der = std::move(*key),
                                              .issuer_key_pem = key_pem_,
                                              .issuer_der = chain_.front(),
                                              .not_before = now - backdated,
                                              .not_after = not_after,
                                              .generation = generation});
    if (!leaf) return fail(leaf.error());
    std::string pem = tls::to_pem(as_bytes(*leaf));
    for (const std::string& link : chain_) pem += tls::to_pem(as_bytes(link));
    return pem;
}

} // namespace hawser::ca
