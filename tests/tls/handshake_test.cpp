// Handshakes that succeed: both roles, against ourselves and against plain mbedTLS.
#include <doctest/doctest.h>

#include "tls/session.h"
#include "tls/test_peers.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

TEST_CASE("two sessions agree, know each other, and carry data both ways") {
    const TestPki pki;
    CredentialsOptions web = pki.options("web"), api = pki.options("api");
    web.alpn = {"h2", "hawser-agent/1"};
    api.alpn = {"hawser-agent/1"};
    SessionPeer client(value_of(make_credentials(std::move(web))), Role::client,
                       pki.service("api"));
    SessionPeer server(value_of(make_credentials(std::move(api))), Role::server);
    const auto [a, b] = shake(client, server);
    REQUIRE(a.value());
    REQUIRE(b.value());

    REQUIRE(client.session->peer());
    REQUIRE(server.session->peer());
    CHECK(client.session->peer()->identity == pki.service("api"));
    CHECK(server.session->peer()->identity == pki.service("web"));
    CHECK(client.session->peer()->chain_der.size() == 2);
    CHECK(client.session->peer()->chain_der[1] == pki.intermediate);
    CHECK(client.session->peer()->sha256 == sha256(as_bytes(client.session->peer()->chain_der[0])));
    CHECK(client.session->peer()->not_after > now());
    CHECK(client.session->alpn() == "hawser-agent/1");
    CHECK(server.session->alpn() == "hawser-agent/1");
    CHECK(client.session->cipher() == "TLS_AES_128_GCM_SHA256");

    REQUIRE(client.session->write(as_bytes("hello")));
    REQUIRE(server.session->write(as_bytes("hello yourself")));
    exchange(client, server);
    CHECK(server.read().value() == "hello");
    CHECK(client.read().value() == "hello yourself");
}
