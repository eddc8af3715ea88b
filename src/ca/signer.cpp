#include "ca/signer.h"

#include <algorithm>
#include <chrono>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "tls/x509.h"
#include "tls/x509_authority.h"

namespace hawser::ca {

namespace {

// A server sends its leaf, the chain and the root.
constexpr std::size_t longest_chain = limits::certificate_chain - 2;
// Time enough to notice, and to bring another.
constexpr WallTime shortest_stay = std::chrono::milliseconds(std::chrono::days(7)).count();
constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();

tls::SecretText copy_of(const tls::SecretText& secret) {
    return {secret.text()};
}

std::string place(std::size_t at, const std::string& subject) {
    return std::format("certificate {} ({})", at + 1, printable(subject));
}

Result<void> check_times(const tls::AuthorityFacts& facts, WallTime now) {
    if (facts.not_before > now + skew)
        return fail(ErrorCode::invalid, "it is not valid before " + format_time(facts.not_before));
    if (facts.not_after <= now)
        return fail(ErrorCode::invalid, "it expired at " + format_time(facts.not_after));
    if (facts.not_after < now + shortest_stay)
        return fail(ErrorCode::invalid, std::format("it expires at {}, in less than 7 days",
                                                    format_time(facts.not_after)));
    return {};
}

// `below`: how many authorities stand under it in this mesh.
Result<tls::AuthorityFacts> check_link(const std::string& der, std::size_t at, std::size_t below,
                                       bool last, WallTime now) {
    Result<tls::AuthorityFacts> facts = tls::describe_authority(as_bytes(der));
    if (!facts) return fail(std::move(facts.error()), std::format("certificate {}", at + 1));
    Result<void> valid = check_times(*facts, now);
    if (valid && last && !facts->self_issued)
        valid = fail(ErrorCode::invalid,
                     "it is not self-signed; the file must end with the root's certificate");
    if (valid && facts->path_length && static_cast<std::size_t>(*facts->path_length) < below) {
        valid = fail(
            ErrorCode::invalid,
            std::format("its path length {} does not allow the {} below it", *facts->path_length,
                        below == 1 ? "authority" : std::format("{} authorities", below)));
    }
    if (!valid) return fail(std::move(valid.error()), place(at, facts->subject));
    return facts;
}

// The signing one first, the root last.
Result<void> check_chain(const std::vector<std::string>& chain, std::string_view key_pem,
                         WallTime now) {
    const bool root_only = chain.size() == 1;
    for (std::size_t at = 0; at < chain.size(); ++at) {
        const Result<tls::AuthorityFacts> facts =
            check_link(chain[at], at, root_only ? 1 : at, at + 1 == chain.size(), now);
        if (!facts) return fail(facts.error());
        if (at == 0) {
            const auto key = tls::public_key_of(key_pem);
            if (!key) return fail(key.error());
            if (*key != facts->public_key_der)
                return fail(ErrorCode::invalid, place(0, facts->subject) +
                                                    ": the private key is of another certificate");
        }
        const bool last = at + 1 == chain.size();
        const std::string& issuer = last ? chain[at] : chain[at + 1];
        if (tls::check_issued_by(as_bytes(chain[at]), as_bytes(issuer))) continue;
        return fail(ErrorCode::invalid,
                    place(at, facts->subject) +
                        (last ? ": its signature is not its own"
                              : ": the next one in the file did not sign it; they must stand in "
                                "order, the one that the key is of first and the root last"));
    }
    return {};
}

// What it signs must hold: names may be encoded in more ways than one.
Result<void> try_out(const OpenSigner& signer, std::string_view trust_domain, WallTime now) {
    const auto authority =
        Authority::load(std::string(trust_domain), signer.root, signer.chain, signer.key.text());
    if (!authority) return fail(authority.error());
    const model::Identity identity{.trust_domain = std::string(trust_domain),
                                   .kind = model::IdentityKind::server,
                                   .name = "trial"};
    const auto key = tls::generate_key_pem();
    if (!key) return fail(key.error());
    const auto csr = tls::make_csr(*key, identity);
    if (!csr) return fail(csr.error());
    const auto pem = authority->sign(as_bytes(*csr), identity, now, std::chrono::hours(1));
    if (!pem) return fail(pem.error());
    const auto chain = tls::chain_from_pem(*pem);
    if (!chain) return fail(chain.error());
    return tls::check_issued_by(as_bytes(chain->at(0)), as_bytes(chain->at(1)));
}

} // namespace

Result<OpenSigner> make_signer(std::string_view trust_domain, WallTime now, Lifetimes lifetimes) {
    Result<NewAuthority> made = create_authority(trust_domain, now, lifetimes);
    if (!made) return fail(std::move(made.error()));
    return OpenSigner{.root = std::move(made->root_der),
                      .chain = {std::move(made->intermediate_der)},
                      .root_key = {std::move(made->root_key_pem)},
                      .key = {std::move(made->intermediate_key_pem)}};
}

Result<OpenSigner> with_new_intermediate(const OpenSigner& signer, std::string_view trust_domain,
                                         WallTime now, Duration lifetime) {
    Result<NewIntermediate> made =
        create_intermediate(trust_domain, signer.root, signer.root_key, now, lifetime);
    if (!made) return fail(std::move(made.error()));
    return OpenSigner{.root = signer.root,
                      .chain = {std::move(made->der)},
                      .root_key = copy_of(signer.root_key),
                      .key = {std::move(made->key_pem)}};
}

Result<OpenSigner> bring_signer(std::string_view certificates_pem, std::string_view key_pem,
                                std::string_view trust_domain, WallTime now, Lifetimes lifetimes) {
    Result<std::vector<std::string>> chain = tls::chain_from_pem(certificates_pem);
    if (!chain) return fail(std::move(chain.error()));
    if (chain->size() > longest_chain + 1)
        return fail(ErrorCode::invalid, std::format("{} certificates: at most {} and the root",
                                                    chain->size(), longest_chain));
    if (Result<void> checked = check_chain(*chain, key_pem, now); !checked)
        return fail(std::move(checked.error()));
    OpenSigner signer;
    signer.root = std::move(chain->back());
    chain->pop_back();
    if (chain->empty()) {
        signer.root_key = {std::string(key_pem)};
        Result<OpenSigner> made =
            with_new_intermediate(signer, trust_domain, now, lifetimes.intermediate);
        if (!made) return made;
        signer = std::move(*made);
    } else {
        signer.chain = std::move(*chain);
        signer.key = {std::string(key_pem)};
    }
    if (Result<void> works = try_out(signer, trust_domain, now); !works)
        return fail(std::move(works.error()), "trying it out");
    return signer;
}

model::Signer seal(const OpenSigner& signer, const SealingKey& key) {
    return {.root = signer.root,
            .chain = signer.chain,
            .root_key = signer.root_key.empty()
                            ? std::string()
                            : key.seal(SealedPurpose::root_key, signer.root_key),
            .key = key.seal(SealedPurpose::signing_key, signer.key)};
}

Result<OpenSigner> open(const model::Signer& signer, const SealingKey& key) {
    OpenSigner opened{.root = signer.root, .chain = signer.chain, .root_key = {}, .key = {}};
    Result<tls::SecretText> signing = key.open(SealedPurpose::signing_key, signer.key);
    if (!signing) return fail(std::move(signing.error()), "the signing key");
    opened.key = std::move(*signing);
    if (signer.root_key.empty()) return opened;
    Result<tls::SecretText> root = key.open(SealedPurpose::root_key, signer.root_key);
    if (!root) return fail(std::move(root.error()), "the root's key");
    opened.root_key = std::move(*root);
    return opened;
}

namespace {

// Certificates are backdated, so that hosts whose clock is behind can use them at once.
WallTime issued_at(const tls::CertificateInfo& info) {
    return info.not_before + skew < info.not_after ? info.not_before + skew : info.not_before;
}

} // namespace

Result<SignerTimes> times_of(const model::Signer& signer) {
    const auto root = tls::describe_certificate(as_bytes(signer.root));
    if (!root) return fail(root.error(), "root");
    SignerTimes times{.since = 0,
                      .until = root->not_after,
                      .root_since = issued_at(*root),
                      .root_until = root->not_after};
    for (const std::string& der : signer.chain) {
        const auto link = tls::describe_certificate(as_bytes(der));
        if (!link) return fail(link.error(), "intermediate");
        if (times.since == 0) times.since = issued_at(*link);
        times.until = std::min(times.until, link->not_after);
    }
    return times;
}

} // namespace hawser::ca
