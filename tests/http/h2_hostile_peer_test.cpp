// What a broken or hostile peer can do: nothing but end its own connection, cheaply.
#include <doctest/doctest.h>

#include "http/raw_peer.h"

namespace hawser::test {
namespace {

// A server under test and a raw client that has shaken hands.
struct Victim {
    explicit Victim(TestLoop& the_loop, http::H2Options options = {}) : loop(the_loop), peer(loop) {
        options.server = true;
        end.emplace(loop, peer.take_other(), nullptr, options);
        end->start();
        REQUIRE(peer.send(std::string(client_magic) + frame(SETTINGS, 0, 0)));
        REQUIRE(loop.until([&] { return end->shaken.has_value(); }));
        REQUIRE(end->shaken->has_value());
    }
    // The connection ended with a failure.
    bool cut() {
        return loop.until([&] {
            (void)peer.received();
            return end->result.has_value();
        }) && !end->result->has_value();
    }
    [[nodiscard]] std::string why() const { return end->result->error().message; }

    TestLoop& loop;
    RawPeer peer;
    std::optional<TestEnd> end;
};

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("bytes may come one by one") {
    TestLoop loop;
    RawPeer peer(loop);
    TestEnd end(loop, peer.take_other(), nullptr, {.server = true});
    end.start();
    const std::string all = std::string(client_magic) + frame(SETTINGS, 0, 0) +
                            frame(SETTINGS, ack, 0) +
                            frame(HEADERS, end_headers, 1, connect_block()) +
                            frame(DATA, 0, 1, "hello ") + frame(DATA, end_stream, 1, "world");
    for (const char byte : all) {
        REQUIRE(peer.send(std::string(1, byte)));
        loop.settle();
    }
    REQUIRE(loop.until([&] { return end.stream(1) != nullptr && end.stream(1)->ended; }));
    CHECK(end.stream(1)->data == "hello world");
}

TEST_CASE("TLS bytes may come one by one") {
    TestLoop loop;
    auto [near, middle] = socket_pair(loop);
    RawPeer far(loop);
    TestEnd client(loop, std::move(near),
                   std::move(*tls::Session::create(credentials_of("web"), tls::Role::client)), {});
    TestEnd server(loop, far.take_other(),
                   std::move(*tls::Session::create(credentials_of("api"), tls::Role::server)),
                   {.server = true});
    client.start();
    server.start();
    std::string to_client;
    const int descriptor = middle.native_handle();
    const auto dribble = [&] {
        char byte = 0;
        if (::recv(descriptor, &byte, 1, MSG_DONTWAIT) == 1) (void)far.send({&byte, 1});
        std::string& back = far.received();
        if (!back.empty() && ::send(descriptor, back.data(), 1, MSG_NOSIGNAL) == 1)
            back.erase(0, 1);
    };
    const auto until = [&](const std::function<bool()>& condition) {
        for (int i = 0; i < 200'000 && !condition(); ++i) {
            dribble();
            loop.settle();
        }
        return condition();
    };
    REQUIRE(until([&] { return client.shaken && server.shaken; }));
    REQUIRE(server.shaken->has_value());
    TestStream* out = client.open();
    client.send_all(*out, pattern(5000, 1));
    REQUIRE(until([&] {
        TestStream* in = server.stream(out->id);
        return in != nullptr && in->ended;
    }));
    CHECK((server.stream(out->id)->data == pattern(5000, 1)));
}

TEST_CASE("frames against the protocol end the connection with a reason") {
    TestLoop loop;
    Victim victim(loop);
    std::string sent;
    SUBCASE("DATA on stream 0") {
        sent = frame(DATA, 0, 0, "x");
    }
    SUBCASE("DATA on an idle stream") {
        sent = frame(DATA, 0, 5, "x");
    }
    SUBCASE("HEADERS on an even stream") {
        sent = frame(HEADERS, end_headers, 2, connect_block());
    }
    SUBCASE("a frame over the size limit") {
        sent = frame(DATA, 0, 1, std::string(20'000, 'x'));
    }
    SUBCASE("a SETTINGS that is not a multiple of six") {
        sent = frame(SETTINGS, 0, 0, "12345");
    }
    SUBCASE("too many SETTINGS entries") {
        std::string entries;
        for (int i = 0; i < 100; ++i) entries += number(0x99, 2) + number(1, 4);
        sent = frame(SETTINGS, 0, 0, entries);
    }
    SUBCASE("a PING of seven bytes") {
        sent = frame(PING, 0, 0, "1234567");
    }
    SUBCASE("WINDOW_UPDATE past the maximum") {
        sent = frame(WINDOW_UPDATE, 0, 0, number(0x7fffffff, 4));
    }
    SUBCASE("WINDOW_UPDATE of zero") {
        sent = frame(WINDOW_UPDATE, 0, 0, number(0, 4));
    }
    SUBCASE("CONTINUATION without HEADERS") {
        sent = frame(CONTINUATION, end_headers, 1, "x");
    }
    SUBCASE("HEADERS broken off by another frame") {
        sent = frame(HEADERS, 0, 1, connect_block()) + frame(PING, 0, 0, "12345678");
    }
    SUBCASE("garbage instead of HPACK") {
        sent = frame(HEADERS, end_headers, 1, std::string(40, '\xff'));
    }
    SUBCASE("PUSH_PROMISE from a client") {
        sent = frame(PUSH_PROMISE, end_headers, 1, number(2, 4));
    }
    SUBCASE("more CONTINUATIONs than anyone needs") {
        sent = frame(HEADERS, 0, 1, connect_block());
        for (int i = 0; i < 20; ++i) sent += frame(CONTINUATION, 0, 1, literal("a", "b"));
    }
    SUBCASE("noise") {
        sent = pattern(4000, 9);
    }
    (void)victim.peer.send(sent);
    REQUIRE(victim.cut());
    CAPTURE(victim.why());
    CHECK(contains(victim.why(), "HTTP/2"));
    REQUIRE(loop.until([&] { return victim.peer.gone(); }));
}

TEST_CASE("requests against the protocol are reset; the connection goes on") {
    TestLoop loop;
    Victim victim(loop);
    std::string block;
    SUBCASE("an upper-case name") {
        block = connect_block() + literal("Bad", "x");
    }
    SUBCASE("a connection header") {
        block = connect_block() + literal("connection", "close");
    }
    SUBCASE("a pseudo-header after others") {
        block = literal(":method", "CONNECT") + literal("a", "b") + literal(":authority", "x");
    }
    SUBCASE("CONNECT with a path") {
        block = connect_block() + literal(":path", "/");
    }
    SUBCASE("no method") {
        block = literal(":authority", "x");
    }
    SUBCASE("a line break in a value") {
        block = connect_block() + literal("a", "b\r\nc");
    }
    SUBCASE("too many headers") {
        block = connect_block();
        for (int i = 0; i < 200; ++i) block += literal("a", "b");
    }
    SUBCASE("a header list over the limit, small on the wire") {
        // Enters the dynamic table once, then refers to it: 2,000 × 101 bytes.
        block = connect_block() + std::string("\x40\x01x", 3) + static_cast<char>(100) +
                std::string(100, 'y') + std::string(2000, static_cast<char>(0x80 | 62));
    }
    REQUIRE(victim.peer.send(frame(HEADERS, end_headers, 1, block)));
    REQUIRE(victim.peer.send(frame(HEADERS, end_headers, 3, connect_block())));
    REQUIRE(loop.until([&] { return victim.end->stream(3) != nullptr; }));
    CHECK(victim.end->requests.size() == 1);
    const std::string reset = number(4, 3) + static_cast<char>(RST_STREAM) + '\0' + number(1, 4);
    REQUIRE(loop.until([&] { return contains(victim.peer.received(), reset); }));
}

TEST_CASE("streams over the limit are not served") {
    TestLoop loop;
    Victim victim(loop, {.max_concurrent_streams = 10});
    bool knows_limit = false;
    SUBCASE("refused, while the peer may not know the limit") {}
    SUBCASE("an error, once it must") {
        knows_limit = true;
    }
    std::string sent = knows_limit ? frame(SETTINGS, ack, 0) : "";
    for (std::uint32_t i = 0; i < 15; ++i)
        sent += frame(HEADERS, end_headers, 2 * i + 1, connect_block());
    REQUIRE(victim.peer.send(sent));
    if (knows_limit) {
        REQUIRE(victim.cut());
        CHECK(contains(victim.why(), "max concurrent streams"));
    } else {
        REQUIRE(victim.peer.send(frame(RST_STREAM, 0, 1, number(8, 4))));
        REQUIRE(loop.until([&] {
            return victim.end->stream(1) != nullptr && victim.end->stream(1)->closed.has_value();
        }));
        CHECK(victim.end->connection->open_streams() == 9);
        CHECK_FALSE(victim.end->result);
    }
    CHECK(victim.end->requests.size() == 10);
}

TEST_CASE("floods of frames that carry nothing are cut off") {
    TestLoop loop;
    Victim victim(loop);
    std::string flood;
    SUBCASE("PING") {
        for (int i = 0; i < 20'000; ++i) flood += frame(PING, 0, 0, "12345678");
    }
    SUBCASE("SETTINGS") {
        for (int i = 0; i < 20'000; ++i) flood += frame(SETTINGS, 0, 0);
    }
    SUBCASE("PRIORITY") {
        for (std::uint32_t i = 0; i < 20'000; ++i)
            flood += frame(PRIORITY, 0, 2 * i + 1, number(0, 4) + "\x10");
    }
    SUBCASE("empty DATA") {
        flood = frame(HEADERS, end_headers, 1, connect_block());
        for (int i = 0; i < 20'000; ++i) flood += frame(DATA, 0, 1);
    }
    SUBCASE("WINDOW_UPDATE") {
        for (int i = 0; i < 20'000; ++i) flood += frame(WINDOW_UPDATE, 0, 0, number(1, 4));
    }
    SUBCASE("requests reset at once") {
        for (std::uint32_t i = 0; i < 20'000; ++i)
            flood += frame(HEADERS, end_headers, 2 * i + 1, connect_block()) +
                     frame(RST_STREAM, 0, 2 * i + 1, number(8, 4));
    }
    SUBCASE("requests that are refused") {
        flood = frame(SETTINGS, ack, 0);
        for (std::uint32_t i = 0; i < 20'000; ++i)
            flood += frame(HEADERS, end_headers, 2 * i + 1, connect_block());
    }
    (void)victim.peer.send(flood);
    REQUIRE(victim.cut());
    CAPTURE(victim.why());
    CHECK(victim.end->requests.size() < 5000);
}

TEST_CASE("a peer that makes us answer and does not read is cut off") {
    TestLoop loop;
    Victim victim(loop);
    std::string pings;
    for (int i = 0; i < 1000; ++i) pings += frame(PING, 0, 0, "12345678");
    bool alive = true;
    for (int i = 0; i < 1000 && alive; ++i) alive = victim.peer.send(pings);
    CHECK_FALSE(alive);
    REQUIRE(loop.until([&] { return victim.end->result.has_value(); }));
    CHECK(victim.end->result->error().code == ErrorCode::resource_exhausted);
}

TEST_CASE("a peer that opens windows and does not read holds bounded memory") {
    TestLoop loop;
    Victim victim(loop);
    REQUIRE(victim.peer.send(frame(SETTINGS, 0, 0, number(4, 2) + number(0x7fffffff, 4)) +
                             frame(WINDOW_UPDATE, 0, 0, number(0x7fff0000, 4)) +
                             frame(HEADERS, end_headers, 1, connect_block())));
    REQUIRE(loop.until([&] { return victim.end->stream(1) != nullptr; }));
    victim.end->connection->respond(1, ok_response());
    std::size_t taken = 0;
    const std::string block(64 << 10, 'x');
    for (int i = 0; i < 1000; ++i) {
        taken += victim.end->connection->write(1, as_bytes(block));
        loop.settle();
    }
    // The socket's buffer, one batch and the stream's own.
    CHECK(taken < (2 << 20));
    CHECK(victim.end->connection->writable_bytes(1) == 0);
}

TEST_CASE("more data than the window allows ends the connection") {
    TestLoop loop;
    Victim victim(loop, {.stream_window = 1 << 16, .session_window = 1 << 16});
    victim.end->when_request = [](TestStream& stream) { stream.auto_consume = false; };
    std::string sent = frame(HEADERS, end_headers, 1, connect_block());
    for (int i = 0; i < 20; ++i) sent += frame(DATA, 0, 1, std::string(16'000, 'x'));
    (void)victim.peer.send(sent);
    REQUIRE(victim.cut());
    CHECK(victim.end->stream(1)->received <= 1 << 16);
    CHECK(*victim.end->stream(1)->closed == H2Code::internal_error);
}

TEST_CASE("a server that misbehaves is left by the client") {
    TestLoop loop;
    RawPeer peer(loop);
    TestEnd client(loop, peer.take_other(), nullptr, {});
    client.start();
    REQUIRE(peer.send(frame(SETTINGS, 0, 0, number(3, 2) + number(5, 4))));
    REQUIRE(loop.until([&] { return client.shaken.has_value(); }));
    TestStream* out = client.open();
    REQUIRE(out != nullptr);
    SUBCASE("its limit of streams is kept") {
        for (int i = 0; i < 4; ++i) CHECK(client.open() != nullptr);
        CHECK(client.open() == nullptr);
        CHECK_FALSE(client.connection->can_open());
    }
    SUBCASE("data before the response") {
        (void)peer.send(frame(DATA, 0, 1, "x"));
        REQUIRE(loop.until([&] { return out->closed.has_value(); }));
        CHECK(out->received == 0);
    }
    SUBCASE("informational responses are not passed on") {
        REQUIRE(peer.send(frame(HEADERS, end_headers, 1, literal(":status", "103"))));
        REQUIRE(peer.send(frame(HEADERS, end_headers, 1, literal(":status", "200"))));
        REQUIRE(loop.until([&] { return !out->headers.empty(); }));
        CHECK(out->headers.at(0) == ok_response());
    }
    SUBCASE("a push") {
        (void)peer.send(frame(SETTINGS, ack, 0));
        (void)peer.send(frame(PUSH_PROMISE, end_headers, 1, number(2, 4) + connect_block()));
        REQUIRE(loop.until([&] { return client.result.has_value(); }));
        CHECK(*out->closed == H2Code::internal_error);
    }
    SUBCASE("RST_STREAM(NO_ERROR) before the end is no clean end") {
        REQUIRE(peer.send(frame(HEADERS, end_headers, 1, literal(":status", "200")) +
                          frame(RST_STREAM, 0, 1, number(0, 4))));
        REQUIRE(loop.until([&] { return out->closed.has_value(); }));
        CHECK(*out->closed == H2Code::cancel);
    }
    SUBCASE("GOAWAY names the streams it will not serve") {
        TestStream* second = client.open();
        REQUIRE(peer.send(frame(GOAWAY, 0, 0, number(1, 4) + number(0, 4))));
        REQUIRE(loop.until([&] { return second->closed.has_value(); }));
        CHECK(*second->closed == H2Code::refused_stream);
        CHECK_FALSE(out->closed);
        CHECK(client.goaways == 1);
    }
    SUBCASE("GOAWAY with an accusation is reported") {
        REQUIRE(peer.send(frame(GOAWAY, 0, 0, number(0, 4) + number(11, 4) + "slow down")));
        peer.shut_down();
        REQUIRE(loop.until([&] { return client.result.has_value(); }));
        REQUIRE_FALSE(client.result->has_value());
        CHECK(contains(client.result->error().message, "slow down"));
    }
}

} // namespace hawser::test
