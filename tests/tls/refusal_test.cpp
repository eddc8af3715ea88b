// Peers that must be refused, and what they hear of it. Their certificates' faults are in
// hostile_certificates_test.cpp.
#include <doctest/doctest.h>

#include "tls/session.h"
#include "tls/test_peers.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

// A session of `credentials` meets a peer that shows `chain`.
Error refusal_by(CredentialsPtr credentials, Role role, const Chain& chain) {
    SessionPeer session(std::move(credentials), role);
    RawPeer raw({.role = role == Role::client ? Role::server : Role::client, .chain = chain});
    const auto [a, b] = shake(session, raw);
    REQUIRE_FALSE(a);
    CHECK_FALSE(session.session->peer());
    CHECK_FALSE(session.session->write(as_bytes("x")));
    CHECK_FALSE(session.handshake()); // and stays refused
    CHECK(session.handshake().error().message == a.error().message);
    raw.read(); // the alert arrives
    CHECK(raw.last_error() == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
    return a.error();
}

CredentialsPtr optional_server(const TestPki& pki) {
    CredentialsOptions options = pki.options("api");
    options.client_auth = ClientAuth::optional;
    return value_of(make_credentials(std::move(options)));
}

} // namespace

TEST_CASE("each side's certificate must be for its role") {
    const TestPki pki;
    LeafShape for_clients = pki.shape("api"), for_servers = pki.shape("api");
    for_clients.for_servers = false;
    for_servers.for_clients = false;
    CHECK(refusal_by(pki.credentials("web"), Role::client, pki.chain(for_clients)).message ==
          "peer certificate: extended key usage: not for TLS servers");
    CHECK(refusal_by(pki.credentials("web"), Role::server, pki.chain(for_servers)).message ==
          "peer certificate: extended key usage: not for TLS clients");
    CHECK(refusal_by(optional_server(pki), Role::server, pki.chain(for_servers)).message ==
          "peer certificate: extended key usage: not for TLS clients");
}

TEST_CASE("a certificate of another authority is refused") {
    const TestPki pki, other, elsewhere("other.local");
    for (const Role role : {Role::client, Role::server}) {
        CHECK(refusal_by(pki.credentials("web"), role, other.chain("api")).message ==
              "peer certificate: signed by an unknown authority (it claims to be "
              "spiffe://hawser.local/svc/api)");
        CHECK(refusal_by(pki.credentials("web"), role, elsewhere.chain("api")).message ==
              "peer certificate: signed by an unknown authority (it claims to be "
              "spiffe://other.local/svc/api)");
    }
    CHECK(refusal_by(optional_server(pki), Role::server, other.chain("api"))
              .message.starts_with("peer certificate: signed by an unknown authority"));
    // Neither its root in its own chain nor our intermediate below its leaf helps it.
    Chain with_root = other.chain("api");
    with_root.ders.push_back(other.root);
    Chain mixed = other.chain("api");
    mixed.ders[1] = pki.intermediate;
    for (const Chain& chain : {with_root, mixed})
        CHECK(refusal_by(pki.credentials("web"), Role::server, chain)
                  .message.starts_with("peer certificate: signed by an unknown authority"));
}

TEST_CASE("an authority that expired, and a chain that is too long, are refused") {
    const TestPki old("hawser.local", now() - 366 * day);
    const Error error = refusal_by(old.credentials("web"), Role::server, old.chain("api"));
    CHECK(error.message.starts_with("peer certificate: its issuer expired on "));

    const TestPki pki;
    Chain chain = pki.chain("api");
    while (chain.ders.size() < 5) chain.ders.push_back(pki.root);
    CHECK(refusal_by(pki.credentials("web"), Role::server, chain).message ==
          "peer certificate: a chain of 5 certificates, more than 4");
    chain.ders.pop_back();
    SessionPeer session(pki.credentials("web"), Role::server);
    RawPeer raw({.chain = chain});
    CHECK(shake(session, raw).a.value());
}

TEST_CASE("a client dials an identity and accepts no other") {
    const TestPki pki;
    SessionPeer client(pki.credentials("web"), Role::client, pki.service("db"));
    SessionPeer server(pki.credentials("api"), Role::server);
    const auto [a, b] = shake(client, server);
    REQUIRE_FALSE(a);
    CHECK(a.error().message ==
          "peer certificate: of spiffe://hawser.local/svc/api, but "
          "spiffe://hawser.local/svc/db was expected");
    REQUIRE_FALSE(b);
    CHECK(b.error().message == "the peer refused: access denied");
}

TEST_CASE("a refused client reads why") {
    const TestPki pki, other;
    SessionPeer client(value_of([&] {
                           CredentialsOptions options = other.options("web");
                           options.trust.roots = {pki.root};
                           return make_credentials(std::move(options));
                       }()),
                       Role::client);
    SessionPeer server(optional_server(pki), Role::server);
    const auto [a, b] = shake(client, server);
    CHECK(a.value()); // TLS 1.3: the client is done before the server has seen its certificate
    CHECK_FALSE(b);
    const auto read = client.read();
    REQUIRE_FALSE(read);
    CHECK(read.error().message == "the peer refused: certificate of an unknown authority");
    CHECK(read.error().code == ErrorCode::unauthenticated);
}

TEST_CASE("a root's pin stands for the root") {
    const TestPki pki, other;
    const auto joining = [&pki](const std::string& pinned) {
        CredentialsOptions options{.trust_domain = pki.trust_domain};
        options.root_pin = sha256(as_bytes(pinned));
        return value_of(make_credentials(std::move(options)));
    };
    Chain full = pki.chain("api");
    full.ders.push_back(pki.root);
    {
        SessionPeer client(joining(pki.root), Role::client);
        RawPeer server({.role = Role::server, .chain = full});
        REQUIRE(shake(client, server).a.value());
        CHECK(client.session->peer()->identity == pki.service("api"));
        CHECK(client.session->peer()->chain_der.back() == pki.root);
    }
    CHECK(refusal_by(joining(other.root), Role::client, full).message ==
          "peer certificate: its chain has no root that matches the pin");
    CHECK(refusal_by(joining(pki.root), Role::client, pki.chain("api")).message ==
          "peer certificate: its chain has no root that matches the pin");
    // The root may be known to all; it must also have signed.
    Chain impostor = other.chain("api");
    impostor.ders.push_back(pki.root);
    CHECK(refusal_by(joining(pki.root), Role::client, impostor)
              .message.starts_with("peer certificate: signed by an unknown authority"));
}

TEST_CASE("what is not TLS is called so") {
    const TestPki pki;
    for (const std::string_view text : {"GET / HTTP/1.1\r\n\r\n", "\x80\x2e\x01", "\x15\x03\x03"}) {
        SessionPeer server(pki.credentials("api"), Role::server);
        server.receive(text.substr(0, 1));
        const auto result = server.handshake();
        REQUIRE_FALSE(result);
        CHECK(result.error().message == "not TLS: the peer sent plaintext");
        CHECK(result.error().code == ErrorCode::invalid);
        CHECK(server.take_output().empty());
    }
    SessionPeer client(pki.credentials("web"), Role::client);
    REQUIRE_FALSE(client.handshake().value());
    client.receive("HTTP/1.1 400 Bad Request\r\n");
    CHECK(client.handshake().error().message == "not TLS: the peer sent plaintext");
}

TEST_CASE("a peer without a group in common is told so") {
    const TestPki pki;
    SessionPeer server(pki.credentials("api"), Role::server);
    RawPeer raw({.chain = pki.chain("web"), .groups = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1}});
    CHECK(shake(server, raw).a.error().message ==
          "no cipher, group or signature in common with the peer");
    CHECK(raw.last_error() == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
}

TEST_CASE("an alert instead of a handshake is passed on") {
    const TestPki pki;
    SessionPeer client(pki.credentials("web"), Role::client);
    REQUIRE_FALSE(client.handshake().value());
    client.receive(std::string_view("\x15\x03\x03\x00\x02\x02\x46", 7));
    CHECK(client.handshake().error().message == "the peer refused: protocol version");
}

TEST_CASE("a connection that ends during the handshake is called so") {
    const TestPki pki;
    for (const Role role : {Role::client, Role::server}) {
        SessionPeer session(pki.credentials("web"), role);
        REQUIRE_FALSE(session.handshake().value());
        session.session->received_end();
        CHECK(session.handshake().error().message ==
              "the peer closed the connection during the TLS handshake");
    }
}

TEST_CASE("a handshake survives no changed byte") {
    const TestPki pki;
    const CredentialsPtr web = pki.credentials("web"), api = pki.credentials("api");
    SessionPeer sample(web, Role::client);
    REQUIRE_FALSE(sample.handshake().value());
    const std::size_t size = sample.take_output().size();
    // The first record is plaintext: whatever changes in it, the two never both agree.
    for (std::size_t at = 0; at < size; at += 3) {
        CAPTURE(at);
        SessionPeer client(web, Role::client), server(api, Role::server);
        REQUIRE_FALSE(client.handshake().value());
        std::string hello = client.take_output();
        hello[at] = static_cast<char>(hello[at] ^ 0x41);
        server.receive(hello);
        const auto [a, b] = shake(client, server);
        CHECK_FALSE((a.value_or(false) && b.value_or(false)));
    }
}

TEST_CASE("garbage after a TLS first byte is refused, however long") {
    const TestPki pki;
    std::uint64_t seed = 1;
    for (int round = 0; round < 200; ++round) {
        SessionPeer server(pki.credentials("api"), Role::server);
        std::string garbage = "\x16\x03\x03";
        for (int i = 0; i < 5000; ++i)
            garbage.push_back(static_cast<char>((seed = seed * 6364136223846793005 + 1) >> 56));
        server.receive(garbage);
        const auto result = server.handshake();
        CHECK((!result || !*result));
        server.session->received_end();
        CHECK_FALSE(server.handshake());
    }
}
