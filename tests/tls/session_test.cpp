// An established session: volumes, ends, and misuse.
#include "tls/session.h"

#include <doctest/doctest.h>

#include "tls/buffers.h"
#include "tls/test_peers.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

const TestPki& mesh() {
    static const TestPki pki;
    return pki;
}

// Both ends, shaken.
struct Link {
    SessionPeer client{mesh().credentials("web"), Role::client};
    SessionPeer server{mesh().credentials("api"), Role::server};

    Link() {
        const auto [a, b] = shake(client, server);
        REQUIRE((a.value() && b.value()));
    }
};

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t seed = 1;
    for (char& c : text) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
    return text;
}

} // namespace

TEST_CASE("a write as large as the bound arrives whole, in both directions") {
    Link link;
    const std::string text = pattern(2'000'000);
    REQUIRE(link.client.session->write(as_bytes(text)));
    CHECK(link.server.read_all(link.client.take_output()) == text);
    REQUIRE(link.server.session->write(as_bytes(text)));
    CHECK(link.client.read_all(link.server.take_output()) == text);
}

TEST_CASE("a write beyond the bound is refused, and nothing is lost by it") {
    Link link;
    const std::string text = pattern(4'000'000);
    const auto refused = link.client.session->write(as_bytes(text));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::resource_exhausted);
    CHECK(link.client.session->output().empty());
    REQUIRE(link.client.session->write(as_bytes("still there")));
    exchange(link.client, link.server);
    CHECK(link.server.read().value() == "still there");
}

TEST_CASE("a peer that is not read from is given no more room than 64 KiB") {
    Link link;
    std::size_t buffered = 0;
    for (auto room = link.server.session->receive_buffer(16 << 10); !room.empty();
         room = link.server.session->receive_buffer(16 << 10)) {
        std::ranges::fill(room, std::uint8_t{0x17});
        link.server.session->received(room.size());
        buffered += room.size();
    }
    CHECK(buffered == block_bytes);
}

TEST_CASE("a stream arrives byte by byte") {
    Link link;
    const std::string text = pattern(3000);
    REQUIRE(link.client.session->write(as_bytes(text)));
    std::string received;
    for (const char byte : link.client.take_output()) {
        link.server.receive({&byte, 1});
        received += link.server.read().value();
    }
    CHECK(received == text);
}

TEST_CASE("a read into one byte, and into none") {
    Link link;
    REQUIRE(link.client.session->write(as_bytes("abc")));
    exchange(link.client, link.server);
    std::uint8_t byte = 0;
    std::string received;
    for (int i = 0; i < 3; ++i) {
        CHECK(link.server.session->read({}).value().count == 0);
        REQUIRE(link.server.session->read({&byte, 1}).value().count == 1);
        received.push_back(static_cast<char>(byte));
    }
    CHECK(received == "abc");
    CHECK(link.server.session->read({&byte, 1}).value().count == 0);
}

TEST_CASE("one read gathers many small records") {
    Link link;
    for (int i = 0; i < 100; ++i) REQUIRE(link.client.session->write(as_bytes("0123456789")));
    exchange(link.client, link.server);
    std::vector<std::uint8_t> buffer(4096);
    CHECK(link.server.session->read(buffer).value().count == 1000);
}

TEST_CASE("close_notify is an end, after the data before it; the other direction goes on") {
    Link link;
    REQUIRE(link.client.session->write(as_bytes("last words")));
    link.client.session->close_notify();
    link.client.session->close_notify(); // once is enough
    CHECK_FALSE(link.client.session->write(as_bytes("more")));
    exchange(link.client, link.server);
    link.server.session->received_end();
    CHECK(link.server.read().value() == "last words");
    CHECK(link.server.closed);
    CHECK(link.server.read().value().empty()); // and it stays so

    REQUIRE(link.server.session->write(as_bytes("reply")));
    exchange(link.server, link.client);
    CHECK(link.client.read().value() == "reply");
    CHECK_FALSE(link.client.closed);
}

TEST_CASE("a stream cut anywhere is truncated, never complete") {
    Link sample;
    REQUIRE(sample.client.session->write(as_bytes("data")));
    sample.client.session->close_notify();
    const std::size_t size = sample.client.take_output().size();
    for (std::size_t cut = 0; cut < size; ++cut) {
        Link link;
        REQUIRE(link.client.session->write(as_bytes("data")));
        link.client.session->close_notify();
        link.server.receive(link.client.take_output().substr(0, cut));
        link.server.session->received_end();
        const auto first = link.server.read();
        CHECK_FALSE(link.server.closed);
        const auto last = link.server.read();
        REQUIRE_FALSE(last);
        CHECK(last.error().message == "truncated: the connection ended without close_notify");
        if (first) CHECK(*first == "data");
        if (cut > 30) break; // the whole first record was there
    }
}

TEST_CASE("a changed byte ends the session, with what came before it, and the peer hears of it") {
    Link link;
    REQUIRE(link.client.session->write(as_bytes("good")));
    std::string bytes = link.client.take_output();
    REQUIRE(link.client.session->write(as_bytes("bad")));
    bytes += link.client.take_output();
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    link.server.receive(bytes);
    CHECK(link.server.read().value() == "good");
    const auto failed = link.server.read();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message == "TLS record was changed on its way");
    CHECK_FALSE(link.server.session->write(as_bytes("x")));
    exchange(link.server, link.client);
    CHECK(link.client.read().error().message == "the peer refused: bad record MAC");
}

TEST_CASE("data before the handshake is done is refused, and a session needs what its role needs") {
    SessionPeer client(mesh().credentials("web"), Role::client);
    std::uint8_t byte = 0;
    CHECK(client.session->write(as_bytes("x")).error().code == ErrorCode::failed_precondition);
    CHECK(client.session->read({&byte, 1}).error().code == ErrorCode::failed_precondition);
    client.session->close_notify();
    CHECK(client.session->output().empty());
    CHECK(client.session->cipher().empty());

    CredentialsOptions anonymous{.trust_domain = mesh().trust_domain};
    anonymous.trust.roots = {mesh().root};
    CHECK_FALSE(Session::create(value_of(make_credentials(std::move(anonymous))), Role::server));
    CredentialsOptions pinned = mesh().options("api");
    pinned.trust = {};
    pinned.root_pin = std::string(32, 'p');
    CHECK_FALSE(Session::create(value_of(make_credentials(std::move(pinned))), Role::server));
}

TEST_CASE("a plain mbedTLS peer and a session carry volumes to each other") {
    for (const Role role : {Role::client, Role::server}) {
        SessionPeer session(mesh().credentials("api"), role);
        RawPeer raw({.role = role == Role::client ? Role::server : Role::client,
                     .chain = mesh().chain("web")});
        REQUIRE(shake(session, raw).a.value());
        const std::string text = pattern(300'000);
        REQUIRE(session.session->write(as_bytes(text)));
        raw.receive(session.take_output());
        CHECK(raw.read() == text);
        raw.write(text);
        CHECK(session.read_all(raw.take_output()) == text);
        raw.close();
        exchange(session, raw);
        CHECK(session.read().value().empty());
        CHECK(session.closed);
        session.session->close_notify();
        exchange(session, raw);
        raw.read();
        CHECK(raw.last_error() == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    }
}
