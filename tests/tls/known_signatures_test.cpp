// What a thread remembers of certificates' signatures, and that it can mislead nobody.
#include "tls/known_signatures.h"

#include <doctest/doctest.h>

#include <cstring>
#include <thread>

#include "tls/test_peers.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

std::size_t known() {
    return KnownSignatures::of_this_thread().size();
}

// How a server with these credentials answers a client that shows this chain: "" is accepted.
std::string answer(const CredentialsPtr& credentials, const Chain& chain) {
    SessionPeer server(credentials, Role::server);
    RawPeer client({.chain = chain});
    const auto result = shake(server, client).a;
    return result ? "" : result.error().message;
}

} // namespace

TEST_CASE("a chain's signatures are verified once, each handshake's own always") {
    const TestPki pki;
    const CredentialsPtr api = pki.credentials("api");
    const Chain web = pki.chain("web");
    const std::size_t before = known();
    CHECK(answer(api, web).empty());
    const std::size_t after = known();
    CHECK(after > before);
    CHECK(after <= before + 2); // the leaf's and the intermediate's, not that of CertificateVerify
    for (int again = 0; again < 3; ++again) CHECK(answer(api, web).empty());
    CHECK(known() == after);
    std::jthread([] { CHECK(known() == 0); }).join(); // each thread's own
}

TEST_CASE("a known chain without its key is refused") {
    const TestPki pki;
    const CredentialsPtr api = pki.credentials("api");
    Chain web = pki.chain("web");
    CHECK(answer(api, web).empty());
    web.key_pem = pki.chain("web").key_pem; // of another leaf
    const std::string refusal = "peer certificate: the peer has not proved to have its key";
    CHECK(answer(api, web) == refusal);
    SessionPeer client(api, Role::client);
    RawPeer server({.role = Role::server, .chain = web});
    CHECK(shake(client, server).a.error().message == refusal);
}

TEST_CASE("a known chain is refused where its root is not trusted, or no longer") {
    const TestPki pki, other;
    const Chain web = pki.chain("web");
    CHECK(answer(pki.credentials("api"), web).empty());
    // The same agent with the next bundle.
    CredentialsOptions next = other.options("api");
    CHECK(answer(value_of(make_credentials(std::move(next))), web)
              .starts_with("peer certificate: signed by an unknown authority"));
    CHECK(answer(pki.credentials("api"), web).empty());
}

TEST_CASE("a known chain is refused by other requirements") {
    const TestPki pki;
    const CredentialsPtr web = pki.credentials("web");
    LeafShape shape = pki.shape("api");
    shape.for_clients = false;
    const Chain api = pki.chain(shape);
    const auto dial = [&](const char* expected) {
        SessionPeer client(web, Role::client, pki.service(expected));
        RawPeer server({.role = Role::server, .chain = api});
        const auto result = shake(client, server).a;
        return result ? "" : result.error().message;
    };
    CHECK(dial("api").empty());
    CHECK(dial("db").starts_with("peer certificate: of spiffe://hawser.local/svc/api, but "));
    CHECK(answer(pki.credentials("db"), api) ==
          "peer certificate: extended key usage: not for TLS clients");
    CHECK(dial("api").empty());
}

TEST_CASE("a known chain is refused once its time is over") {
    const TestPki pki;
    LeafShape shape = pki.shape("web");
    shape.not_after = now() - 5 * minute + 1500; // the skew that is allowed ends in a moment
    const Chain web = pki.chain(shape);
    const CredentialsPtr api = pki.credentials("api");
    CHECK(answer(api, web).empty());
    const WallTime begin = now();
    std::string refusal;
    while (refusal.empty() && now() < begin + 10'000) refusal = answer(api, web);
    CHECK(refusal.starts_with("peer certificate: expired on "));
}

TEST_CASE("a known leaf helps no other chain or leaf") {
    const TestPki pki, other;
    const CredentialsPtr api = pki.credentials("api");
    const Chain web = pki.chain("web");
    CHECK(answer(api, web).empty());
    Chain under_other = web;
    under_other.ders[1] = other.intermediate;
    CHECK(answer(api, under_other).starts_with("peer certificate: signed by an unknown authority"));
    Chain alone = web;
    alone.ders.resize(1);
    CHECK(answer(api, alone).starts_with("peer certificate: signed by an unknown authority"));
    // The same name and intermediate, another key, and the known leaf's signature.
    Chain forged = pki.chain("web");
    constexpr std::size_t signature = 64; // less than it takes, at the end
    REQUIRE(forged.ders[0].size() > signature);
    forged.ders[0].replace(forged.ders[0].size() - signature, signature,
                           web.ders[0].substr(web.ders[0].size() - signature));
    CHECK_FALSE(answer(api, forged).empty());
    // One bit of what is signed.
    Chain changed = web;
    const std::size_t name = changed.ders[0].find("svc/web");
    REQUIRE(name != std::string::npos);
    changed.ders[0][name + 4] = 'x';
    CHECK(answer(api, changed).starts_with("peer certificate: signed by an unknown authority"));
}

TEST_CASE("who is not trusted leaves nothing behind") {
    const TestPki pki, other;
    const CredentialsPtr api = pki.credentials("api");
    Chain with_root = other.chain("web");
    with_root.ders.push_back(other.root);
    const std::size_t before = known();
    CHECK_FALSE(answer(api, with_root).empty());
    CHECK_FALSE(answer(api, pki.chain([&] {
                    LeafShape shape = pki.shape("web");
                    shape.is_ca = true;
                    return shape;
                }()))
                    .empty());
    CHECK(known() == before);
}

TEST_CASE("the memory is bounded, and the oldest make room") {
    KnownSignatures all;
    const auto fact = [](std::uint64_t i) {
        KnownSignatures::Fact made{};
        std::memcpy(made.data(), &i, sizeof i);
        return made;
    };
    for (std::uint64_t i = 0; i < 2 * KnownSignatures::most; ++i) {
        all.add(fact(i));
        all.add(fact(i));
        CHECK(all.has(fact(i)));
    }
    CHECK(all.size() == KnownSignatures::most);
    CHECK_FALSE(all.has(fact(0)));
    CHECK(all.has(fact(KnownSignatures::most)));
    CHECK_FALSE(KnownSignatures().has(KnownSignatures::Fact{})); // an unused place is nothing known
}
