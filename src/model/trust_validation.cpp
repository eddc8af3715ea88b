// The rules for what trust is made of: tokens, certificates, quarantine.
#include <algorithm>

#include "base/limits.h"
#include "model/checker.h"
#include "model/validation.h"

namespace hawser::model {

namespace {

constexpr std::size_t hash_bytes = 32; // SHA-256
constexpr std::size_t token_id_length = 64;

bool is_token_id(std::string_view id) {
    return !id.empty() && id.size() <= token_id_length && std::ranges::all_of(id, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

// "team-a-" begins a name though it is none.
bool is_prefix(const std::string& text) {
    return check_name(text + "x", "prefix").has_value();
}

bool is_certificate(const std::string& der) {
    return !der.empty() && der.size() <= limits::certificate_bytes;
}

void check_signer(const Signer& signer, Checker& checker) {
    // A peer sends its leaf and this chain.
    checker.require(is_certificate(signer.root), "a root certificate is empty or too large")
        .require(!signer.chain.empty(), "it has no certificate to sign with")
        .require(signer.chain.size() < limits::certificate_chain, "a chain is too long")
        .require(std::ranges::all_of(signer.chain, is_certificate),
                 "a certificate is empty or too large")
        .require(!signer.key.empty() && signer.key.size() <= limits::sealed_key_bytes,
                 "it has no key to sign with, or one that is too large")
        .require(signer.root_key.size() <= limits::sealed_key_bytes, "the root's key is too large");
}

} // namespace

Result<void> check(const JoinToken& token) {
    Checker checker("join token " + quote(token.id));
    checker.require(is_token_id(token.id), "the id is not lower-case hex")
        .require(token.secret_hash.size() == hash_bytes, "the hash is not 32 bytes")
        .require(token.server.empty() ? check_name(token.node, "node name")
                                      : check_name(token.server, "server name"))
        .require(token.server.empty() || (token.node.empty() && token.services.empty()),
                 "it is for a server and for a node")
        .require_names(token.services, "service", limits::services_per_token)
        .require(token.expires_at > 0, "it has no expiry")
        .require(token.used_at >= 0, "the time of use is negative")
        .require(token.used_key.empty() || token.used_key.size() == hash_bytes,
                 "the hash of the key is not 32 bytes");
    return std::move(checker).result();
}

Result<void> check(const OperatorToken& token) {
    Checker checker("operator token " + quote(token.id));
    checker.require(is_token_id(token.id), "the id is not lower-case hex")
        .require(token.secret_hash.size() == hash_bytes, "the hash is not 32 bytes")
        .require(token.created_at >= 0, "the time of creation is negative")
        .require(is_plain_text(token.name, limits::name_length),
                 "the name is not printable text of at most 63 bytes")
        .require(token.expires_at >= 0, "the time of expiry is negative")
        .require(token.previous_hash.empty() || token.previous_hash.size() == hash_bytes,
                 "the hash before is not 32 bytes")
        .require((token.role == Role::registrar) == !token.service_prefix.empty(),
                 "a registrar, and nobody else, has a prefix of services")
        .require(token.service_prefix.empty() || is_prefix(token.service_prefix),
                 "the prefix is not the beginning of a service's name");
    return std::move(checker).result();
}

Result<void> check(const TrustDomain& domain) {
    Checker checker("trust domain " + quote(domain.name));
    checker.require(check_trust_domain(domain.name))
        .require(check_trust_domain(domain.dns_domain).has_value(),
                 "the DNS domain " + quote(domain.dns_domain) + " is not a domain name")
        .require(check_vip_range(domain.vip4, true))
        .require(check_vip_range(domain.vip6, false))
        .require(!domain.roots.empty(), "it has no root certificate");
    for (const auto* certificates : {&domain.roots, &domain.intermediates}) {
        checker.require(certificates->size() <= limits::trust_roots, "more than 8 certificates");
        for (const std::string& der : *certificates) {
            checker.require(!der.empty() && der.size() <= limits::certificate_bytes,
                            "a certificate is empty or too large");
        }
    }
    return std::move(checker).result();
}

Result<void> check(const Authority& authority) {
    Checker checker("the authority");
    check_signer(authority.active, checker);
    if (authority.other) check_signer(*authority.other, checker);
    checker
        .require((authority.phase == RotationPhase::none) == !authority.other.has_value(),
                 "it has a second signer exactly while its root changes")
        .require(authority.phase_since >= 0 && authority.other_needed_until >= 0,
                 "a time is negative")
        .require(!authority.sealing_key_id.empty() && authority.sealing_key_id.size() <= hash_bytes,
                 "it does not say which key seals the others");
    return std::move(checker).result();
}

Result<void> check(const Quarantine& quarantine) {
    Checker checker("quarantine of " + quote(quarantine.subject));
    checker
        .require(quarantine.subject_kind == IdentityKind::node ||
                     quarantine.subject_kind == IdentityKind::service,
                 "only nodes and services can be quarantined")
        .require(check_name(quarantine.subject, "name"))
        .require(is_plain_text(quarantine.reason, limits::label_length),
                 "the reason is not printable text of at most 255 bytes")
        .require(quarantine.since >= 0, "the time is negative")
        .require(is_plain_text(quarantine.by, limits::actor_length),
                 "who asked is not printable text of at most 128 bytes");
    return std::move(checker).result();
}

Result<void> check(const AuditHead& head) {
    Checker checker("audit head of " + quote(head.server));
    checker.require(check_name(head.server, "server name"))
        .require(head.sequence != 0, "it is of no record")
        .require(head.hash.size() == hash_bytes, "the hash is not 32 bytes")
        .require(head.at >= 0, "the time is negative");
    return std::move(checker).result();
}

} // namespace hawser::model
