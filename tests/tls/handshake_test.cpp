// Handshakes that succeed: both roles, against ourselves and against plain mbedTLS.
#include <doctest/doctest.h>

#include <thread>

#include "tls/session.h"
#include "tls/test_peers.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

void check_data_both_ways(SessionPeer& session, RawPeer& raw) {
    REQUIRE(session.session->write(as_bytes("from the session")));
    raw.write("from mbedTLS");
    exchange(session, raw);
    CHECK(session.read().value() == "from mbedTLS");
    CHECK(raw.read() == "from the session");
}

} // namespace

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
    CHECK(client.session->peer()->serial.size() == 32);
    CHECK(client.session->alpn() == "hawser-agent/1");
    CHECK(server.session->alpn() == "hawser-agent/1");
    CHECK(client.session->cipher() == "TLS_AES_128_GCM_SHA256");

    REQUIRE(client.session->write(as_bytes("hello")));
    REQUIRE(server.session->write(as_bytes("hello yourself")));
    exchange(client, server);
    CHECK(server.read().value() == "hello");
    CHECK(client.read().value() == "hello yourself");
    CHECK(client.session->handshake().value()); // done stays done
}

TEST_CASE("a handshake goes on byte by byte") {
    const TestPki pki;
    SessionPeer client(pki.credentials("web"), Role::client),
        server(pki.credentials("api"), Role::server);
    bool client_done = false, server_done = false;
    for (int round = 0; round < 10 && !(client_done && server_done); ++round) {
        client_done = client.handshake().value();
        for (const char byte : client.take_output()) {
            server.receive({&byte, 1});
            server_done = server.handshake().value();
        }
        for (const char byte : server.take_output()) {
            client.receive({&byte, 1});
            client_done = client.handshake().value();
        }
    }
    CHECK(client_done);
    CHECK(server_done);
}

TEST_CASE("every cipher suite works, in both roles, against mbedTLS") {
    const TestPki pki;
    struct Suite {
        int id;
        const char* name;
    };
    for (const Suite suite :
         {Suite{MBEDTLS_TLS1_3_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"},
          Suite{MBEDTLS_TLS1_3_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"},
          Suite{MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"}}) {
        CAPTURE(suite.name);
        for (const Role role : {Role::client, Role::server}) {
            SessionPeer session(pki.credentials("api"), role);
            RawPeer raw({.role = role == Role::client ? Role::server : Role::client,
                         .chain = pki.chain("web"),
                         .suites = {suite.id}});
            const auto [a, b] = shake(session, raw);
            REQUIRE(a.value());
            REQUIRE(b.value());
            CHECK(session.session->cipher() == suite.name);
            check_data_both_ways(session, raw);
        }
    }
}

TEST_CASE("P-256 and X25519 are accepted, another group is asked to change") {
    const TestPki pki;
    const std::vector<std::vector<std::uint16_t>> offers = {
        {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1},
        {MBEDTLS_SSL_IANA_TLS_GROUP_X25519},
        {MBEDTLS_SSL_IANA_TLS_GROUP_X25519, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1},
        // The share it sends is of no use, so a HelloRetryRequest follows.
        {MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1},
    };
    for (const auto& groups : offers) {
        SessionPeer server(pki.credentials("api"), Role::server);
        RawPeer raw({.chain = pki.chain("web"), .groups = groups});
        const auto [a, b] = shake(server, raw);
        REQUIRE(a.value());
        REQUIRE(b.value());
        check_data_both_ways(server, raw);
    }
    SessionPeer client(pki.credentials("api"), Role::client);
    RawPeer raw({.role = Role::server,
                 .chain = pki.chain("web"),
                 .groups = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519}});
    CHECK(shake(client, raw).a.value());
    check_data_both_ways(client, raw);
}

TEST_CASE("ALPN: the server's order decides, none in common is refused, none at all is allowed") {
    const TestPki pki;
    const auto server_with = [&pki](std::vector<std::string> alpn) {
        CredentialsOptions options = pki.options("api");
        options.alpn = std::move(alpn);
        return SessionPeer(value_of(make_credentials(std::move(options))), Role::server);
    };
    {
        SessionPeer server = server_with({"b", "a"});
        RawPeer raw({.chain = pki.chain("web"), .alpn = {"a", "b"}});
        CHECK(shake(server, raw).a.value());
        CHECK(server.session->alpn() == "b");
    }
    {
        SessionPeer server = server_with({"b"});
        RawPeer raw({.chain = pki.chain("web"), .alpn = {"a"}});
        const auto result = shake(server, raw);
        REQUIRE_FALSE(result.a);
        CHECK(result.a.error().message == "no application protocol (ALPN) in common with the peer");
        CHECK_FALSE(result.b);
    }
    {
        SessionPeer server = server_with({"b"});
        RawPeer raw({.chain = pki.chain("web")});
        CHECK(shake(server, raw).a.value());
        CHECK(server.session->alpn().empty());
    }
}

TEST_CASE("a client without certificate is let in only where one is optional") {
    const TestPki pki;
    const auto server = [&pki](ClientAuth auth) {
        CredentialsOptions options = pki.options("api");
        options.client_auth = auth;
        return SessionPeer(value_of(make_credentials(std::move(options))), Role::server);
    };
    CredentialsOptions anonymous{.trust_domain = pki.trust_domain};
    anonymous.trust.roots = {pki.root};
    const auto credentials = value_of(make_credentials(std::move(anonymous)));
    CHECK_FALSE(own_identity(*credentials));
    CHECK(expires_at(*credentials) == 0);
    {
        SessionPeer a(credentials, Role::client, pki.service("api"));
        SessionPeer b = server(ClientAuth::optional);
        const auto result = shake(a, b);
        REQUIRE(result.a.value());
        REQUIRE(result.b.value());
        CHECK_FALSE(b.session->peer());
        CHECK(a.session->peer()->identity == pki.service("api"));
        REQUIRE(a.session->write(as_bytes("join me")));
        exchange(a, b);
        CHECK(b.read().value() == "join me");
    }
    {
        SessionPeer a(credentials, Role::client);
        SessionPeer b = server(ClientAuth::required);
        const auto result = shake(a, b);
        REQUIRE_FALSE(result.b);
        CHECK(result.b.error().message == "peer presented no certificate");
        CHECK(result.b.error().code == ErrorCode::unauthenticated);
        // In TLS 1.3 the client is done first; it learns of it when it reads.
        const auto read = a.read();
        REQUIRE_FALSE(read);
        CHECK(read.error().message == "the peer refused: certificate required");
    }
}

TEST_CASE("a bundle's intermediate helps a peer that sends only its leaf") {
    const TestPki pki;
    Chain leaf_only = pki.chain("web");
    leaf_only.ders.resize(1);
    for (const bool bundled : {false, true}) {
        CredentialsOptions options = pki.options("api");
        if (bundled) options.trust.intermediates = {pki.intermediate};
        SessionPeer server(value_of(make_credentials(std::move(options))), Role::server);
        RawPeer raw({.chain = leaf_only});
        CHECK(shake(server, raw).a.has_value() == bundled);
    }
}

TEST_CASE("credentials serve sessions of many threads at once") {
    const TestPki pki;
    const CredentialsPtr web = pki.credentials("web"), api = pki.credentials("api");
    std::atomic<int> good = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            for (int round = 0; round < 5; ++round) {
                SessionPeer client(web, Role::client), server(api, Role::server);
                const auto [a, b] = shake(client, server);
                if (a.value_or(false) && b.value_or(false)) ++good;
            }
        });
    threads.clear();
    CHECK(good == 20);
}

TEST_CASE("many handshakes may be under way at once") {
    const TestPki pki;
    const CredentialsPtr web = pki.credentials("web"), api = pki.credentials("api");
    std::vector<std::unique_ptr<SessionPeer>> clients, servers;
    for (int i = 0; i < 100; ++i) {
        clients.push_back(std::make_unique<SessionPeer>(web, Role::client));
        servers.push_back(std::make_unique<SessionPeer>(api, Role::server));
        REQUIRE_FALSE(clients.back()->handshake().value());
    }
    for (int i = 0; i < 100; ++i) {
        const auto [a, b] =
            shake(*clients[static_cast<std::size_t>(i)], *servers[static_cast<std::size_t>(i)]);
        CHECK((a.value() && b.value()));
    }
}
