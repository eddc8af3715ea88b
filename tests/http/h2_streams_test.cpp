// Streams between two connections: what each side does and what the other is told.
#include <doctest/doctest.h>

#include <algorithm>

#include "http/frame_budget.h"
#include "http/test_connections.h"

namespace hawser::test {
namespace {

// Every case with and without TLS.
bool with_tls() {
    bool tls = false;
    SUBCASE("plaintext") {}
    SUBCASE("TLS") {
        tls = true;
    }
    return tls;
}

void echo(TestEnd& server) {
    server.when_request = [&server](TestStream& stream) {
        server.connection->respond(stream.id, ok_response());
        stream.auto_consume = false;
        stream.keep_data = true;
        const auto pump = [&server, &stream] {
            const std::size_t written = server.connection->write(stream.id, as_bytes(stream.data));
            stream.data.erase(0, written);
            server.connection->consume(stream.id, written);
            if (stream.ended && stream.data.empty()) server.connection->finish(stream.id);
        };
        stream.when_data = stream.when_end = stream.when_writable = pump;
    };
}

} // namespace

TEST_CASE("a stream carries headers, data, end and trailers in both directions") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    REQUIRE(out != nullptr);
    pair.client->connection->write(out->id, as_bytes("ping"));
    REQUIRE(loop.until([&] { return pair.server->stream(out->id) != nullptr; }));
    TestStream* in = pair.server->stream(out->id);
    REQUIRE(loop.until([&] { return in->data == "ping"; }));
    CHECK(pair.server->requests.at(0) == connect_request());
    CHECK_FALSE(in->ended);

    pair.server->connection->respond(in->id, ok_response());
    pair.server->connection->write(in->id, as_bytes("pong"));
    REQUIRE(loop.until([&] { return out->data == "pong"; }));
    CHECK(out->headers.at(0) == ok_response());

    // Half-closed one way: the other goes on.
    pair.client->connection->finish(out->id);
    REQUIRE(loop.until([&] { return in->ended; }));
    CHECK_FALSE(in->closed);
    pair.server->connection->write(in->id, as_bytes(" and more"));
    pair.server->connection->finish(in->id, {{"grpc-status", "0"}});
    REQUIRE(loop.until([&] { return out->closed && in->closed; }));
    CHECK(out->data == "pong and more");
    CHECK(out->ended);
    CHECK(out->headers.at(1) == Headers{{"grpc-status", "0"}});
    CHECK(*out->closed == H2Code::no_error);
    CHECK(*in->closed == H2Code::no_error);
    CHECK(pair.client->connection->open_streams() == 0);
    CHECK(pair.server->connection->open_streams() == 0);
}

TEST_CASE("the server may end its side first") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    pair.server->when_request = [&](TestStream& stream) {
        pair.server->connection->respond(stream.id, ok_response());
        pair.server->connection->write(stream.id, as_bytes("banner"));
        pair.server->connection->finish(stream.id);
    };
    TestStream* out = pair.client->open();
    REQUIRE(loop.until([&] { return out->ended; }));
    CHECK(out->data == "banner");
    CHECK_FALSE(out->closed);
    pair.client->connection->write(out->id, as_bytes("late words"));
    pair.client->connection->finish(out->id);
    TestStream* in = pair.server->stream(out->id);
    REQUIRE(loop.until([&] { return in->closed && out->closed; }));
    CHECK(in->data == "late words");
    CHECK(*in->closed == H2Code::no_error);
}

TEST_CASE("a hundred streams of a mebibyte arrive whole") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    echo(*pair.server);
    constexpr std::size_t length = 1 << 20;
    std::vector<TestStream*> streams;
    for (std::uint32_t i = 0; i < 100; ++i) {
        TestStream* stream = pair.client->open();
        REQUIRE(stream != nullptr);
        pair.client->send_all(*stream, pattern(length, i));
        streams.push_back(stream);
    }
    CHECK_FALSE(pair.client->connection->can_open());
    CHECK(pair.client->open() == nullptr);
    REQUIRE(loop.until(
        [&] {
            for (const TestStream* stream : streams)
                if (!stream->closed) return false;
            return true;
        },
        100s));
    for (std::uint32_t i = 0; i < 100; ++i) {
        CHECK(*streams[i]->closed == H2Code::no_error);
        CHECK((streams[i]->data == pattern(length, i)));
    }
    CHECK(pair.client->connection->can_open());
}

TEST_CASE("a reader that stopped holds its own stream only, and little memory") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* stuck = pair.client->open();
    REQUIRE(loop.until([&] { return pair.server->stream(stuck->id) != nullptr; }));
    TestStream* unread = pair.server->stream(stuck->id);
    unread->auto_consume = false;
    pair.client->send_all(*stuck, pattern(8 << 20, 1));

    TestStream* flowing = pair.client->open();
    const std::string bytes = pattern(32 << 20, 2); // twice the connection's window
    pair.client->send_all(*flowing, bytes);
    REQUIRE(loop.until([&] {
        TestStream* in = pair.server->stream(flowing->id);
        return in != nullptr && in->ended;
    }));
    CHECK((pair.server->stream(flowing->id)->data == bytes));
    // The window, not a byte more; the rest waits with its producer.
    CHECK(unread->received == static_cast<std::size_t>(limits::tunnel_stream_window));
    CHECK(stuck->writable < 20);

    // Reading again lets it go on to the end.
    unread->auto_consume = true;
    pair.server->connection->consume(unread->id, unread->received);
    REQUIRE(loop.until([&] { return unread->ended; }));
    CHECK((unread->data == pattern(8 << 20, 1)));
}

TEST_CASE("credit of streams that ended unread goes back to the connection") {
    TestLoop loop;
    http::H2Options small;
    small.stream_window = 1 << 16;
    small.session_window = 1 << 17;
    Pair pair = connect(loop, with_tls(), {}, small);
    // Each leaves its window unread; without the credit the third would never arrive.
    for (int i = 0; i < 8; ++i) {
        TestStream* out = pair.client->open();
        pair.client->send_all(*out, pattern(1 << 16, 7));
        pair.server->when_request = [](TestStream& stream) { stream.auto_consume = false; };
        REQUIRE(loop.until([&] {
            TestStream* in = pair.server->stream(out->id);
            return in != nullptr && in->ended;
        }));
        if (i % 3 == 0) {
            pair.server->connection->reset(out->id, H2Code::cancel);
        } else if (i % 3 == 1) {
            pair.server->connection->detach(out->id, H2Code::cancel);
        } else {
            pair.server->connection->respond(out->id, ok_response(), true);
        }
        REQUIRE(loop.until([&] { return out->closed.has_value(); }));
    }
}

TEST_CASE("a full stream buffer says so, and says when there is room again") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    REQUIRE(pair.client->connection->writable_bytes(out->id) == limits::stream_send_buffer);
    const std::string bytes = pattern(3 * limits::stream_send_buffer, 3);
    const std::size_t taken = pair.client->connection->write(out->id, as_bytes(bytes));
    CHECK(taken == limits::stream_send_buffer);
    CHECK(pair.client->connection->writable_bytes(out->id) == 0);
    CHECK(pair.client->connection->write(out->id, as_bytes("x")) == 0);
    CHECK(pair.client->connection->write_buffer(out->id, 10).empty());
    CHECK(out->writable == 0); // not from inside write()
    REQUIRE(loop.until([&] { return out->writable == 1; }));
    CHECK(pair.client->connection->writable_bytes(out->id) >= limits::stream_send_buffer / 2);
}

TEST_CASE("bytes placed in the stream's buffer are sent like written ones") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    const std::string bytes = pattern(200'000, 4);
    std::size_t at = 0;
    while (at < bytes.size()) {
        const auto space = pair.client->connection->write_buffer(out->id, bytes.size() - at);
        REQUIRE_FALSE(space.empty());
        REQUIRE(space.size() <= bytes.size() - at);
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), space.size(), space.begin());
        pair.client->connection->commit(out->id, space.size());
        at += space.size();
    }
    pair.client->connection->finish(out->id);
    REQUIRE(loop.until([&] {
        TestStream* in = pair.server->stream(out->id);
        return in != nullptr && in->ended;
    }));
    CHECK((pair.server->stream(out->id)->data == bytes));
}

TEST_CASE("a reset reaches the other side with its code, and both handlers") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    for (const bool from_client : {true, false}) {
        TestStream* out = pair.client->open();
        pair.client->connection->write(out->id, as_bytes("hello"));
        REQUIRE(loop.until([&] { return pair.server->stream(out->id) != nullptr; }));
        TestStream* in = pair.server->stream(out->id);
        TestEnd& resetter = from_client ? *pair.client : *pair.server;
        resetter.connection->reset(out->id, H2Code::connect_error);
        CHECK_FALSE((from_client ? out : in)->closed); // not from inside the call
        REQUIRE(loop.until([&] { return out->closed && in->closed; }));
        CHECK(*out->closed == H2Code::connect_error);
        CHECK(*in->closed == H2Code::connect_error);
    }
}

TEST_CASE("what a reset stream still had buffered is not sent") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    REQUIRE(loop.until([&] { return pair.server->stream(out->id) != nullptr; }));
    pair.client->connection->write(out->id, as_bytes("never"));
    pair.client->connection->reset(out->id, H2Code::cancel);
    CHECK(pair.client->connection->write(out->id, as_bytes("more")) == 0);
    TestStream* in = pair.server->stream(out->id);
    REQUIRE(loop.until([&] { return in->closed.has_value(); }));
    CHECK(in->data.empty());
    CHECK_FALSE(in->ended);
}

TEST_CASE("a stream may be reset before it was sent") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    pair.client->connection->reset(out->id, H2Code::cancel);
    REQUIRE(loop.until([&] { return out->closed.has_value(); }));
    TestStream* gone = pair.client->open();
    pair.client->connection->detach(gone->id, H2Code::cancel);
    TestStream* after = pair.client->open(true);
    REQUIRE(loop.until([&] { return pair.server->stream(after->id) != nullptr; }));
    CHECK_FALSE(gone->closed);
}

TEST_CASE("a detached handler hears nothing more") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    TestStream* out = pair.client->open();
    REQUIRE(loop.until([&] { return pair.server->stream(out->id) != nullptr; }));
    TestStream* in = pair.server->stream(out->id);
    pair.server->connection->write(in->id, as_bytes("data"));
    pair.server->connection->detach(in->id, H2Code::refused_stream);
    pair.client->connection->write(out->id, as_bytes("into the void"));
    REQUIRE(loop.until([&] { return out->closed.has_value(); }));
    CHECK(*out->closed == H2Code::refused_stream);
    loop.settle();
    CHECK_FALSE(in->closed);
    CHECK(in->received == 0);
}

TEST_CASE("a refused request is reset with REFUSED_STREAM") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    pair.server->refuse = true;
    TestStream* out = pair.client->open();
    REQUIRE(loop.until([&] { return out->closed.has_value(); }));
    CHECK(*out->closed == H2Code::refused_stream);
    CHECK(pair.server->connection->open_streams() == 0);
}

TEST_CASE("a response without body ends the stream") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    pair.server->when_request = [&](TestStream& stream) {
        pair.server->connection->respond(stream.id, {{":status", "403"}}, true);
    };
    TestStream* out = pair.client->open(true);
    REQUIRE(loop.until([&] { return out->closed.has_value(); }));
    CHECK(out->headers.at(0) == Headers{{":status", "403"}});
    CHECK(out->ended);
    CHECK(*out->closed == H2Code::no_error);
}

TEST_CASE("answers without bodies are not chatter, however many a client asked for") {
    TestLoop loop;
    Pair pair = connect(loop, false);
    pair.server->when_request = [](TestStream& stream) {
        stream.connection->respond(stream.id, ok_response(), true);
    };
    for (int i = 0; i < 4 * http::FrameBudget::burst; ++i) {
        TestStream* stream = pair.client->open(true);
        REQUIRE(stream != nullptr);
        REQUIRE(loop.until([&] { return stream->closed.has_value(); }));
        REQUIRE(*stream->closed == H2Code::no_error);
    }
    close(loop, pair);
}

TEST_CASE("handlers may do anything from inside a call") {
    TestLoop loop;
    const bool tls = with_tls();
    Pair pair = connect(loop, tls);
    http::H2Connection& client = *pair.client->connection;
    http::H2Connection& server = *pair.server->connection;

    SUBCASE("reset the stream on its data") {
        pair.server->when_request = [&](TestStream& stream) {
            stream.when_data = [&] { server.reset(stream.id, H2Code::cancel); };
        };
        TestStream* out = pair.client->open();
        pair.client->send_all(*out, pattern(1 << 20, 5));
        REQUIRE(loop.until([&] { return out->closed.has_value(); }));
        CHECK(*out->closed == H2Code::cancel);
    }
    SUBCASE("reset all streams on the data of one") {
        pair.server->when_request = [&](TestStream& stream) {
            stream.when_data = [&] {
                for (auto& [id, other] : pair.server->streams) server.reset(id, H2Code::cancel);
            };
        };
        std::vector<TestStream*> streams;
        for (int i = 0; i < 10; ++i) {
            streams.push_back(pair.client->open());
            pair.client->send_all(*streams.back(), pattern(1 << 18, 5));
        }
        REQUIRE(loop.until([&] {
            return std::ranges::all_of(streams, [](auto* s) { return s->closed.has_value(); });
        }));
    }
    SUBCASE("detach in on_request") {
        pair.server->when_request = [&](TestStream& stream) {
            server.detach(stream.id, H2Code::cancel);
        };
        TestStream* out = pair.client->open();
        REQUIRE(loop.until([&] { return out->closed.has_value(); }));
        CHECK(*out->closed == H2Code::cancel);
    }
    SUBCASE("open the next stream when one has closed") {
        pair.server->when_request = [&](TestStream& stream) {
            server.respond(stream.id, ok_response(), true);
        };
        int done = 0;
        std::function<void()> next = [&] {
            if (++done == 50) return;
            pair.client->open(true)->when_closed = next;
        };
        pair.client->open(true)->when_closed = next;
        REQUIRE(loop.until([&] { return done == 50; }));
    }
    SUBCASE("abort on data") {
        pair.server->when_request = [&](TestStream& stream) {
            stream.when_data = [&] { server.abort(); };
        };
        TestStream* out = pair.client->open();
        TestStream* other = pair.client->open();
        pair.client->send_all(*out, pattern(1 << 20, 5));
        REQUIRE(loop.until([&] { return pair.server->result && pair.client->result; }));
        CHECK_FALSE(*pair.client->result);
        CHECK(*out->closed == H2Code::internal_error);
        CHECK(*other->closed == H2Code::internal_error);
        CHECK(*pair.server->stream(out->id)->closed == H2Code::internal_error);
    }
    SUBCASE("abort on headers, end, writable and closed") {
        const int where = tls ? 1 : 0;
        for (int i = where; i < 4; i += 2) {
            Pair fresh = connect(loop, tls);
            const auto abort = [&] { fresh.client->connection->abort(); };
            echo(*fresh.server);
            TestStream* out = fresh.client->open();
            fresh.client->send_all(*out, pattern(1 << 20, 5));
            if (i == 0) out->when_headers = abort;
            if (i == 1) out->when_end = abort;
            if (i == 2) out->when_writable = abort;
            if (i == 3) out->when_closed = abort;
            REQUIRE(loop.until([&] { return fresh.client->result && fresh.server->result; }));
            CHECK(out->closed);
        }
    }
    SUBCASE("write and finish from the response") {
        echo(*pair.server);
        TestStream* out = pair.client->open();
        out->when_headers = [&] {
            client.write(out->id, as_bytes("hello"));
            client.finish(out->id);
        };
        REQUIRE(loop.until([&] { return out->closed.has_value(); }));
        CHECK(out->data == "hello");
    }
}

TEST_CASE("calls for streams that are gone do nothing") {
    TestLoop loop;
    Pair pair = connect(loop, with_tls());
    http::H2Connection& client = *pair.client->connection;
    CHECK(client.write(77, as_bytes("x")) == 0);
    CHECK(client.writable_bytes(77) == 0);
    CHECK(client.write_buffer(77, 5).empty());
    client.commit(77, 0);
    client.finish(77);
    client.finish(77, {{"a", "b"}});
    client.reset(77, H2Code::cancel);
    client.detach(77, H2Code::cancel);
    client.consume(77, 100);
    pair.server->connection->respond(77, ok_response());
    loop.settle();
    CHECK(pair.client->open(true) != nullptr);
}

} // namespace hawser::test
