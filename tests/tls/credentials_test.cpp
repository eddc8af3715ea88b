// What make_credentials accepts; each refusal with its reason.
#include "tls/credentials.h"

#include <doctest/doctest.h>

#include "tls/test_pki.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

std::string refusal(CredentialsOptions options) {
    const auto made = make_credentials(std::move(options));
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::invalid);
    return made.error().message;
}

} // namespace

TEST_CASE("credentials know their identity and their end") {
    const TestPki pki;
    const auto made = pki.credentials("api");
    CHECK(own_identity(*made) == pki.service("api"));
    CHECK(expires_at(*made) > now() + 23 * hour);
}

TEST_CASE("an expired certificate is still loaded: it is needed to renew itself") {
    const TestPki pki;
    LeafShape leaf = pki.shape("api");
    leaf.not_after = now() - hour;
    CredentialsOptions options = pki.options("api");
    options.own = to_pair(pki.chain(leaf));
    CHECK(expires_at(*value_of(make_credentials(std::move(options)))) < now());
}

TEST_CASE("what is wrong with trust is said") {
    const TestPki pki, other;
    const auto with = [&pki](auto change) {
        CredentialsOptions options = pki.options("api");
        change(options);
        return refusal(std::move(options));
    };
    CHECK_FALSE(with([](auto& o) { o.trust_domain = "Not_A_Domain"; }).empty());
    CHECK(with([](auto& o) { o.trust.roots.clear(); }) == "no root certificate to trust");
    CHECK(with([](auto& o) { o.trust.roots = {"nonsense"}; }).starts_with("trusted root: "));
    CHECK(with([&](auto& o) { o.trust.roots = {pki.chain("x").ders[0]}; }) ==
          "trusted root: not the certificate of an authority");
    CHECK(with([&](auto& o) { o.trust.intermediates = {other.intermediate}; }) ==
          "intermediate certificate: no trusted root has signed it");
    CHECK(with([&](auto& o) { o.trust.intermediates = {pki.chain("x").ders[0]}; }) ==
          "intermediate certificate: not the certificate of an authority");
    CHECK(with([](auto& o) { o.root_pin = std::string(32, 'p'); }) ==
          "a root's pin is for when no root is known");
    CHECK(with([](auto& o) {
              o.trust = {};
              o.root_pin = "short";
          }) == "the root's pin is not 32 bytes");
    CHECK(with([](auto& o) { o.alpn = {""}; }).starts_with("ALPN: "));
    CHECK(with([](auto& o) { o.alpn = {std::string(256, 'a')}; }).starts_with("ALPN: "));
}

TEST_CASE("what is wrong with the own certificate is said") {
    const TestPki pki;
    const TestPki elsewhere("other.local");
    const auto with = [&pki](KeyPair pair) {
        CredentialsOptions options = pki.options("api");
        options.own = std::move(pair);
        return refusal(std::move(options));
    };
    const auto shaped = [&](auto change) {
        LeafShape leaf = pki.shape("api");
        change(leaf);
        return with(to_pair(pki.chain(leaf)));
    };
    KeyPair foreign_key = pki.pair("api");
    foreign_key.key_pem = value_of(generate_key_pem());
    CHECK(with(std::move(foreign_key)) ==
          "own certificate: the private key is of another certificate");
    KeyPair no_key = pki.pair("api");
    no_key.key_pem = SecretText("nonsense");
    CHECK(with(std::move(no_key)).starts_with("own certificate: private key: "));
    CHECK(with({}) == "own certificate: no certificate in the PEM text");
    CHECK(with(elsewhere.pair("api")) ==
          "own certificate: spiffe://other.local/svc/api is not of trust domain hawser.local");
    CHECK(shaped([](auto& leaf) { leaf.is_ca = true; }) ==
          "own certificate: belongs to an authority (CA:TRUE)");
    CHECK(shaped([](auto& leaf) { leaf.for_clients = false; }) ==
          "own certificate: extended key usage: not for TLS clients");
    CHECK(shaped([](auto& leaf) { leaf.for_servers = false; }) ==
          "own certificate: extended key usage: not for TLS servers");
    CHECK(shaped([](auto& leaf) { leaf.names.clear(); }) ==
          "own certificate: has no subject alternative name");
}

TEST_CASE("an intermediate that expired is left out, not refused") {
    const TestPki old("hawser.local", now() - 366 * day);
    CredentialsOptions options{.trust_domain = "hawser.local"};
    options.trust = {.roots = {old.root}, .intermediates = {old.intermediate}};
    CHECK(make_credentials(std::move(options)));
}

TEST_CASE("a secret text moves and leaves nothing behind") {
    SecretText one(std::string(100, 's'));
    SecretText two = std::move(one);
    CHECK(one.empty());
    CHECK(std::string_view(two) == std::string(100, 's'));
    one = std::move(two);
    CHECK(two.empty());
    CHECK(one.text().size() == 100);
}
