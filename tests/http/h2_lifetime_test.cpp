// How connections end, and what everyone is told then.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include "http/raw_peer.h"

namespace hawser::test {
namespace {

bool with_tls() {
    bool tls = false;
    SUBCASE("plaintext") {}
    SUBCASE("TLS") {
        tls = true;
    }
    return tls;
}

std::size_t find(const std::string& text, std::string_view part) {
    return text.find(part);
}

} // namespace

TEST_CASE("goaway lets what runs finish, and then both ends are done cleanly") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    bool by_server = false;
    SUBCASE("server") {
        by_server = true;
    }
    SUBCASE("client") {}
    TestStream* out = pair.client->open();
    REQUIRE(loop.until([&] { return pair.server->stream(out->id) != nullptr; }));
    TestStream* in = pair.server->stream(out->id);
    TestEnd& leaver = by_server ? *pair.server : *pair.client;
    TestEnd& other = by_server ? *pair.client : *pair.server;
    leaver.connection->goaway();
    CHECK(leaver.connection->closing());
    REQUIRE(loop.until([&] { return other.goaways == 1; }));
    CHECK(other.connection->closing());
    CHECK_FALSE(pair.client->connection->can_open());
    CHECK(pair.client->open() == nullptr);

    const std::string bytes = pattern(3 << 20, 1);
    pair.server->connection->respond(in->id, ok_response());
    pair.server->send_all(*in, bytes);
    pair.client->send_all(*out, bytes);
    REQUIRE(loop.until([&] { return pair.client->result && pair.server->result; }));
    CHECK((out->data == bytes));
    CHECK((in->data == bytes));
    CHECK(*out->closed == H2Code::no_error);
    CHECK(pair.client->result->has_value());
    CHECK(pair.server->result->has_value());
}

TEST_CASE("goaway without streams ends at once") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    pair.server->connection->goaway();
    REQUIRE(loop.until([&] { return pair.client->result && pair.server->result; }));
    CHECK(pair.client->result->has_value());
    CHECK(pair.server->result->has_value());
}

TEST_CASE("a request that crosses a server's goaway is still served") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    pair.server->when_request = [&](TestStream& stream) {
        pair.server->connection->respond(stream.id, ok_response(), true);
    };
    pair.server->connection->goaway();
    TestStream* out = pair.client->open(true); // it does not know yet
    REQUIRE(out != nullptr);
    REQUIRE(loop.until([&] { return pair.client->result && pair.server->result; }));
    CHECK(*out->closed == H2Code::no_error);
    CHECK(out->headers.size() == 1);
}

TEST_CASE("a peer that vanishes ends the streams") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    REQUIRE(loop.until([&] { return pair.server->stream(out->id) != nullptr; }));
    pair.server->connection->abort();
    CHECK_FALSE(pair.server->stream(out->id)->closed); // not from inside the call
    REQUIRE(loop.until([&] { return pair.client->result && pair.server->result; }));
    CHECK(*out->closed == H2Code::internal_error);
    CHECK(*pair.server->stream(out->id)->closed == H2Code::internal_error);
    CHECK_FALSE(pair.client->result->has_value());
    CHECK(pair.client->connection->closing());
    CHECK(pair.client->open() == nullptr);
}

TEST_CASE("destroying a connection tells its streams") {
    TestLoop loop;
    std::map<StreamId, std::unique_ptr<TestStream>> streams; // outlive the connection
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    pair.client->send_all(*out, pattern(1 << 20, 2));
    loop.settle();
    streams = std::move(pair.client->streams);
    bool by_cancelling = false;
    SUBCASE("while it runs") {}
    SUBCASE("by cancelling its task") {
        by_cancelling = true;
    }
    if (by_cancelling)
        pair.client.reset();
    else
        pair.client->connection.reset();
    CHECK(*streams.at(out->id)->closed == H2Code::internal_error);
    REQUIRE(loop.until([&] { return pair.server->result.has_value(); }));
}

TEST_CASE("a handler that goes away while the end is told hears nothing") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* first = pair.client->open();
    TestStream* second = pair.client->open();
    const auto detach = [&](TestStream* other) {
        pair.client->connection->detach(other->id, H2Code::cancel);
    };
    first->when_closed = [&] { detach(second); };
    second->when_closed = [&] { detach(first); };
    pair.client->connection->abort();
    REQUIRE(loop.until([&] { return pair.client->result.has_value(); }));
    CHECK(first->closed.has_value() != second->closed.has_value());
}

TEST_CASE("a silent peer is found by its missing answer to PING") {
    TestLoop loop;
    const auto options = http::H2Options{.ping_interval = 50ms, .ping_timeout = 50ms};
    RawPeer peer(loop);
    TestEnd end(loop, peer.take_other(), nullptr, options);
    end.start();
    REQUIRE(peer.send(frame(SETTINGS, 0, 0)));
    REQUIRE(loop.until([&] { return end.shaken.has_value(); }));
    REQUIRE(loop.until([&] { return end.result.has_value(); }, 5s));
    CHECK_FALSE(end.result->has_value());
    CHECK(end.result->error().code == ErrorCode::deadline_exceeded);
    CHECK(find(end.result->error().message, "PING") != std::string::npos);
    CHECK(find(peer.received(), frame(PING, 0, 0, std::string(8, '\0'))) != std::string::npos);
}

TEST_CASE("an idle connection whose peer answers PINGs lives on") {
    TestLoop loop;
    http::H2Options options{.ping_interval = 20ms, .ping_timeout = 100ms};
    Pair pair = connect(loop, with_tls(), options);
    loop.pass(300ms);
    CHECK_FALSE(pair.client->result);
    CHECK_FALSE(pair.server->result);
}

TEST_CASE("an idle server connection goes away politely") {
    TestLoop loop;
    http::H2Options options{.idle_timeout = 100ms};
    Pair pair = connect(loop, with_tls(), {}, options);
    TestStream* out = pair.client->open();
    loop.pass(300ms);
    CHECK(pair.client->goaways == 0); // it has a stream
    pair.client->connection->reset(out->id, H2Code::cancel);
    REQUIRE(loop.until([&] { return pair.client->result && pair.server->result; }));
    CHECK(pair.client->goaways == 1);
    CHECK(pair.server->result->has_value());
}

TEST_CASE("a handshake that does not come is given up") {
    TestLoop loop;
    RawPeer peer(loop);
    const http::H2Options options{.server = true, .handshake_timeout = 100ms};
    std::unique_ptr<tls::Session> session;
    SUBCASE("plaintext") {}
    SUBCASE("TLS") {
        session = std::move(*tls::Session::create(credentials_of("api"), tls::Role::server));
    }
    TestEnd end(loop, peer.take_other(), std::move(session), options);
    end.start();
    REQUIRE(loop.until([&] { return end.shaken.has_value(); }));
    CHECK(end.shaken->error().code == ErrorCode::deadline_exceeded);
    REQUIRE(loop.until([&] { return peer.gone(); }));
}

TEST_CASE("a failed handshake names its cause") {
    TestLoop loop;
    RawPeer peer(loop);
    std::unique_ptr<tls::Session> session;
    std::string sent, expected;
    bool closes = false;
    SUBCASE("plaintext HTTP on the TLS port") {
        session = std::move(*tls::Session::create(credentials_of("api"), tls::Role::server));
        sent = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        expected = "plaintext";
    }
    SUBCASE("TLS on the plaintext port") {
        sent = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
        expected = "TLS on a plaintext connection";
    }
    SUBCASE("HTTP/1 on the plaintext port") {
        sent = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        expected = "does not speak HTTP/2";
    }
    SUBCASE("another frame first") {
        sent = std::string(client_magic) + frame(PING, 0, 0, "12345678");
        expected = "HTTP/2";
    }
    SUBCASE("nothing but the end") {
        closes = true;
        expected = "closed";
    }
    TestEnd end(loop, peer.take_other(), std::move(session), {.server = true});
    end.start();
    if (!sent.empty()) REQUIRE(peer.send(sent));
    if (closes) peer.shut_down();
    REQUIRE(loop.until([&] { return end.shaken.has_value() || peer.gone(); }));
    peer.shut_down();
    REQUIRE(loop.until([&] { return end.shaken.has_value(); }));
    REQUIRE_FALSE(end.shaken->has_value());
    CAPTURE(end.shaken->error().message);
    CHECK(find(end.shaken->error().message, expected) != std::string::npos);
}

TEST_CASE("a peer with a certificate of another mesh is refused, and both know why") {
    TestLoop loop;
    auto [near, far] = socket_pair(loop);
    auto client = tls::Session::create(credentials_of_another_mesh("web"), tls::Role::client);
    auto server = tls::Session::create(credentials_of("api"), tls::Role::server);
    TestEnd a(loop, std::move(near), std::move(*client), {});
    TestEnd b(loop, std::move(far), std::move(*server), {.server = true});
    a.start();
    b.start();
    REQUIRE(loop.until([&] { return a.shaken && b.shaken; }));
    CHECK_FALSE(a.shaken->has_value());
    CHECK_FALSE(b.shaken->has_value());
    CAPTURE(a.shaken->error().message);
    CAPTURE(b.shaken->error().message);
    CHECK(find(a.shaken->error().message, "TLS") != std::string::npos);
    CHECK(find(b.shaken->error().message, "TLS") != std::string::npos);
}

TEST_CASE("a client whose certificate is refused learns it from the handshake") {
    TestLoop loop;
    auto [near, far] = socket_pair(loop);
    // The client trusts the server, but has no certificate to show.
    auto client = tls::Session::create(anonymous_credentials(), tls::Role::client);
    auto server = tls::Session::create(credentials_of("api"), tls::Role::server);
    TestEnd a(loop, std::move(near), std::move(*client), {});
    TestEnd b(loop, std::move(far), std::move(*server), {.server = true});
    a.start();
    b.start();
    REQUIRE(loop.until([&] { return a.shaken && b.shaken; }));
    CHECK_FALSE(a.shaken->has_value());
    CHECK_FALSE(b.shaken->has_value());
    CAPTURE(a.shaken->error().message);
    CHECK(find(a.shaken->error().message, "reset") == std::string::npos); // the alert arrived
}

TEST_CASE("the peer's identity is known before any of its requests is seen") {
    TestLoop loop;
    auto [near, far] = socket_pair(loop);
    auto client = tls::Session::create(credentials_of("web"), tls::Role::client);
    auto server = tls::Session::create(credentials_of("api"), tls::Role::server);
    TestEnd a(loop, std::move(near), std::move(*client), {});
    TestEnd b(loop, std::move(far), std::move(*server), {.server = true});
    a.start();
    io::TaskGroup tasks(loop.executor());
    const Result<void> shaken = loop.run(b.connection->handshake());
    REQUIRE(shaken.has_value());
    REQUIRE(loop.until([&] { return a.shaken.has_value(); }));
    TestStream* out = a.open();
    REQUIRE(out != nullptr);
    a.connection->write(out->id, as_bytes("early"));
    loop.settle();
    CHECK(b.requests.empty());
    REQUIRE(b.connection->peer().has_value());
    CHECK(b.connection->peer()->identity == identity_of("web"));
    CHECK(b.connection->alpn() == "h2");
    b.connection->start();
    REQUIRE(loop.until([&] { return b.requests.size() == 1; }));
    REQUIRE(loop.until([&] { return b.stream(out->id)->data == "early"; }));
}

TEST_CASE("an idle stream costs no buffers") {
    TestLoop loop;
    http::H2Options options;
    options.max_concurrent_streams = 4000;
    Pair pair = connect(loop, with_tls(), {}, options);
    rusage before{}, after{};
    for (int i = 0; i < 4000; ++i) REQUIRE(pair.client->open() != nullptr);
    REQUIRE(loop.until([&] { return pair.server->streams.size() == 4000; }));
    ::getrusage(RUSAGE_SELF, &before);
    for (auto& [id, stream] : pair.client->streams)
        pair.client->connection->write(id, as_bytes("x"));
    REQUIRE(loop.until([&] {
        std::size_t received = 0;
        for (auto& [id, stream] : pair.server->streams) received += stream->received;
        return received == 4000;
    }));
    ::getrusage(RUSAGE_SELF, &after);
    CHECK(after.ru_maxrss - before.ru_maxrss < 64 << 10); // KiB, for 4,000 streams
}

} // namespace hawser::test
