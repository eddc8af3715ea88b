// What authorities sign with: made here, brought by operators, sealed and opened.
#include "ca/signer.h"

#include <doctest/doctest.h>

#include "base/bytes.h"
#include "tls/x509.h"

using namespace hawser;
using namespace hawser::ca;

namespace {

constexpr WallTime now = 1'800'000'000'000;
constexpr WallTime day = 86'400'000;
constexpr std::string_view domain = "hawser.local";

struct Made {
    std::string der, pem, key;
};

// An outside authority's; self-signed without an issuer.
Made make(tls::CertificateUse use, const std::string& name, const Made* issuer = nullptr,
          WallTime from = now - day, WallTime to = now + 3650 * day) {
    Made made;
    made.key = tls::generate_key_pem().value();
    tls::CertificateRequest request{.use = use,
                                    .common_name = name,
                                    .public_key_der = tls::public_key_of(made.key).value(),
                                    .issuer_key_pem = issuer ? issuer->key : made.key,
                                    .not_before = from,
                                    .not_after = to};
    if (issuer != nullptr) request.issuer_der = issuer->der;
    if (use == tls::CertificateUse::leaf)
        request.identity = model::Identity{.trust_domain = std::string(domain),
                                           .kind = model::IdentityKind::service,
                                           .name = name};
    made.der = tls::issue_certificate(request).value();
    made.pem = tls::to_pem(as_bytes(made.der));
    return made;
}

constexpr auto root_use = tls::CertificateUse::root;
constexpr auto intermediate_use = tls::CertificateUse::intermediate;

std::string refusal(const std::string& pem, const std::string& key) {
    const auto brought = bring_signer(pem, key, domain, now, {});
    return brought ? "accepted" : brought.error().message;
}

} // namespace

TEST_CASE("a brought root gets an intermediate of ours under it") {
    const Made root = make(root_use, "Example, Inc. Root");
    const OpenSigner signer = bring_signer(root.pem, root.key, domain, now, {}).value();
    CHECK(signer.root == root.der);
    CHECK(signer.root_key.text() == root.key);
    REQUIRE(signer.chain.size() == 1);
    CHECK(tls::check_issued_by(as_bytes(signer.chain[0]), as_bytes(root.der)));
    CHECK(tls::describe_certificate(as_bytes(signer.chain[0]))->not_after == now + 365 * day);
}

TEST_CASE("a brought intermediate signs by itself; its root's key is not needed") {
    const Made root = make(root_use, "Root"), middle = make(intermediate_use, "Middle", &root);
    const OpenSigner signer =
        bring_signer(middle.pem + root.pem, middle.key, domain, now, {}).value();
    CHECK(signer.root == root.der);
    CHECK(signer.root_key.empty());
    CHECK(signer.chain == std::vector<std::string>{middle.der});
    CHECK(signer.key.text() == middle.key);
}

TEST_CASE("what agents would not accept is refused, each with its reason") {
    const Made root = make(root_use, "Root"), middle = make(intermediate_use, "Middle", &root);
    const Made low = make(intermediate_use, "Low", &middle), other = make(root_use, "Other");
    const Made leaf = make(tls::CertificateUse::leaf, "api", &root);
    CHECK(refusal(root.pem, other.key) ==
          "certificate 1 (CN=Root): the private key is of another certificate");
    CHECK(refusal(middle.pem, middle.key).contains("not self-signed; the file must end with"));
    CHECK(refusal(middle.pem + other.pem, middle.key)
              .starts_with("certificate 1 (CN=Middle): the next one in the file did not sign it"));
    CHECK(refusal(root.pem + middle.pem, root.key).contains("in order"));
    CHECK(refusal(leaf.pem + root.pem, leaf.key) ==
          "certificate 1: not the certificate of an authority (CA:TRUE is missing)");
    CHECK(refusal(low.pem + middle.pem + root.pem, low.key) ==
          "certificate 2 (CN=Middle): its path length 0 does not allow the authority below it");
    CHECK(refusal(low.pem + low.pem + middle.pem + root.pem, low.key) ==
          "4 certificates: at most 2 and the root");
    CHECK(refusal("", root.key) == "no certificate in the PEM text");
    CHECK(refusal(root.pem, "nonsense").starts_with("private key: "));
    const Made old = make(root_use, "Old", nullptr, now - 2 * day, now - day);
    const Made soon = make(root_use, "Soon", nullptr, now - day, now + 6 * day);
    const Made later = make(root_use, "Later", nullptr, now + day, now + 900 * day);
    CHECK(refusal(old.pem, old.key).starts_with("certificate 1 (CN=Old): it expired at "));
    CHECK(refusal(soon.pem, soon.key).ends_with("in less than 7 days"));
    CHECK(refusal(later.pem, later.key).contains("it is not valid before "));
}

TEST_CASE("a signer is sealed and opened, and a root's key does not pass for the other") {
    const SealingKey key = SealingKey::make(), other = SealingKey::make();
    const OpenSigner made = make_signer(domain, now, {}).value();
    model::Signer sealed = seal(made, key);
    CHECK_FALSE(sealed.key.contains("PRIVATE KEY"));
    CHECK_FALSE(sealed.root_key.contains("PRIVATE KEY"));
    const OpenSigner opened = open(sealed, key).value();
    CHECK(opened.key.text() == made.key.text());
    CHECK(opened.root_key.text() == made.root_key.text());
    CHECK(opened.chain == made.chain);
    CHECK(open(sealed, other).error().message.contains(other.id()));
    std::swap(sealed.key, sealed.root_key);
    CHECK(open(sealed, key).error().message == "the signing key: the sealed key is damaged");
    const OpenSigner next = with_new_intermediate(opened, domain, now + day, root_lifetime).value();
    CHECK(next.root == made.root);
    CHECK(next.key.text() != made.key.text());
    // No longer than its root.
    CHECK(tls::describe_certificate(as_bytes(next.chain[0]))->not_after ==
          tls::describe_certificate(as_bytes(made.root))->not_after);
}
