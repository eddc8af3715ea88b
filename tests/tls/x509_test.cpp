#include "tls/x509.h"

#include <doctest/doctest.h>

#include "base/limits.h"
#include "tls/test_pki.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

TEST_CASE("a certificate says what was asked for") {
    const TestPki pki;
    const std::string key = value_of(generate_key_pem());
    const WallTime from = 1'700'000'000'000, to = from + day;
    const std::string der =
        value_of(issue_certificate({.common_name = "api",
                                    .identity = pki.service("api"),
                                    .public_key_der = value_of(public_key_of(key)),
                                    .issuer_key_pem = pki.intermediate_key,
                                    .issuer_der = pki.intermediate,
                                    .not_before = from,
                                    .not_after = to}));
    const CertificateInfo info = value_of(describe_certificate(as_bytes(der)));
    CHECK(info.identity == pki.service("api"));
    CHECK(info.subject == "CN=api");
    CHECK(info.serial.size() == 32);
    CHECK(generation_in(info.serial) == 0);
    CHECK(info.not_before == from);
    CHECK(info.not_after == to);
    CHECK_FALSE(info.is_ca);
    CHECK(info.public_key_der == value_of(public_key_of(key)));
    CHECK(check_issued_by(as_bytes(der), as_bytes(pki.intermediate)));
    CHECK_FALSE(check_issued_by(as_bytes(der), as_bytes(pki.root)));
    CHECK_FALSE(check_issued_by(as_bytes(pki.intermediate), as_bytes(der)));
    CHECK(check_issued_by(as_bytes(pki.intermediate), as_bytes(pki.root)));
    CHECK(check_issued_by(as_bytes(pki.root), as_bytes(pki.root)));

    const CertificateInfo root = value_of(describe_certificate(as_bytes(pki.root)));
    CHECK(root.is_ca);
    CHECK_FALSE(root.identity);
}

TEST_CASE("a generation travels in the serial") {
    const TestPki pki;
    const std::string key = value_of(generate_key_pem());
    std::string before;
    for (const std::uint64_t generation : {1ULL, 1'800'000'000'000ULL, ~0ULL}) {
        const std::string der =
            value_of(issue_certificate({.common_name = "api",
                                        .identity = pki.service("api"),
                                        .public_key_der = value_of(public_key_of(key)),
                                        .issuer_key_pem = pki.intermediate_key,
                                        .issuer_der = pki.intermediate,
                                        .not_before = 0,
                                        .not_after = 1'800'000'000'000,
                                        .generation = generation}));
        const std::string serial = value_of(describe_certificate(as_bytes(der))).serial;
        CHECK(generation_in(serial) == generation);
        CHECK(serial.substr(18) != before); // and is as random as any
        before = serial.substr(18);
    }
    for (const std::string_view none : {"", "01", "xyz", "0200000000000000010000000000000000"})
        CHECK(generation_in(none) == 0);
}

TEST_CASE("times after 2050 and odd common names are written right") {
    const std::string key = value_of(generate_key_pem());
    const WallTime later = 3'000'000'000'000; // 2065
    for (const std::string name : {"plain", "a, b=c+d<e>;\"f\"\\g", "#1"}) {
        const auto der = value_of(issue_certificate({.use = CertificateUse::root,
                                                     .common_name = name,
                                                     .public_key_der = value_of(public_key_of(key)),
                                                     .issuer_key_pem = key,
                                                     .not_before = later,
                                                     .not_after = later + day}));
        CHECK(value_of(describe_certificate(as_bytes(der))).not_before == later);
        CHECK(check_issued_by(as_bytes(der), as_bytes(der)));
    }
    const auto at = [&key](WallTime from, WallTime to) {
        return issue_certificate({.use = CertificateUse::root,
                                  .common_name = "x",
                                  .public_key_der = value_of(public_key_of(key)),
                                  .issuer_key_pem = key,
                                  .not_before = from,
                                  .not_after = to});
    };
    CHECK_FALSE(at(-1, day));
    CHECK_FALSE(at(0, 300'000'000'000'000));
}

TEST_CASE("a leaf without identity, and keys that are none of ours, are refused") {
    const TestPki pki;
    CertificateRequest request{.common_name = "api",
                               .identity = pki.service("api"),
                               .public_key_der = public_key_p384(),
                               .issuer_key_pem = pki.intermediate_key,
                               .issuer_der = pki.intermediate,
                               .not_before = now(),
                               .not_after = now() + day};
    CHECK(issue_certificate(request).error().message ==
          "issuing a certificate: public key: not ECDSA P-256");
    request.public_key_der = public_key_rsa();
    CHECK(issue_certificate(request).error().message ==
          "issuing a certificate: public key: not ECDSA P-256");
    request.public_key_der = "nonsense";
    CHECK_FALSE(issue_certificate(request));
    request.public_key_der = value_of(public_key_of(pki.root_key));
    request.issuer_key_pem = "nonsense";
    CHECK_FALSE(issue_certificate(request));
    request.issuer_key_pem = pki.intermediate_key;
    request.issuer_der = "nonsense";
    CHECK_FALSE(issue_certificate(request));
    request.issuer_der = pki.intermediate;
    request.identity.reset();
    CHECK(issue_certificate(request).error().message ==
          "issuing a certificate: a leaf needs an identity");
}

TEST_CASE("a request carries its key and its identity, and survives no changed byte") {
    const TestPki pki;
    const std::string key = value_of(generate_key_pem());
    const std::string der = value_of(make_csr(key, pki.service("api")));
    const Csr csr = value_of(parse_csr(as_bytes(der)));
    CHECK(csr.public_key_der == value_of(public_key_of(key)));
    REQUIRE(csr.identity);
    CHECK(*csr.identity == pki.service("api"));
    for (std::size_t at = 0; at < der.size(); ++at) {
        std::string changed = der;
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        CHECK_FALSE(parse_csr(as_bytes(changed)));
        CHECK_FALSE(parse_csr(as_bytes(der.substr(0, at))));
    }
    CHECK_FALSE(parse_csr(as_bytes(der + "x")));
    CHECK(parse_csr(as_bytes(std::string(limits::csr_bytes + 1, '0'))).error().code ==
          ErrorCode::resource_exhausted);
    CHECK_FALSE(make_csr("nonsense", pki.service("api")));
}

TEST_CASE("PEM goes there and back") {
    const TestPki pki;
    const std::string both = to_pem(as_bytes(pki.intermediate)) + to_pem(as_bytes(pki.root));
    const auto chain = value_of(chain_from_pem("comment\n" + both + "trailer\n"));
    REQUIRE(chain.size() == 2);
    CHECK(chain[0] == pki.intermediate);
    CHECK(chain[1] == pki.root);
    CHECK(chain_from_pem("").error().message == "no certificate in the PEM text");
    CHECK(chain_from_pem(both + both + both).error().message == "more than 4 certificates");
    CHECK_FALSE(chain_from_pem(both.substr(0, both.size() / 4)));
    std::string bad = both;
    bad[100] = '!';
    CHECK(chain_from_pem(bad).error().message.starts_with("certificate 1 of the PEM text: "));
    CHECK(chain_from_pem(std::string(1 << 20, 'x')).error().code == ErrorCode::resource_exhausted);
    CHECK_FALSE(chain_from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}

TEST_CASE("every private key is another, and hashes are SHA-256") {
    const std::string one = value_of(generate_key_pem());
    CHECK(one != value_of(generate_key_pem()));
    CHECK(one.starts_with("-----BEGIN"));
    CHECK_FALSE(public_key_of(""));
    CHECK(to_hex(as_bytes(sha256(as_bytes("abc")))) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_CASE("no certificate text makes the parser fail other than by an error") {
    const TestPki pki;
    for (std::size_t at = 0; at < pki.intermediate.size(); ++at) {
        std::string changed = pki.intermediate;
        changed[at] = static_cast<char>(changed[at] ^ 0x81);
        (void)describe_certificate(as_bytes(changed));
        CHECK_FALSE(describe_certificate(as_bytes(changed.substr(0, at))));
    }
}
