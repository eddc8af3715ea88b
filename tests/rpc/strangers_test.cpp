// Callers who have proved nothing: what they may take, and that it is never the others'.
#include <doctest/doctest.h>

#include <sys/socket.h>

#include <algorithm>

#include "rpc/framing.h"
#include "rpc/message_memory.h"
#include "rpc/test_server.h"

namespace hawser::test {
namespace {

rpc::ServerOptions open_options() {
    return tls_options(credentials_for_anyone("api"));
}

// A call whose messages never end, as raw bytes on a connection of its own.
struct RawCaller {
    RawCaller(TestLoop& loop, const Endpoint& endpoint, const tls::CredentialsPtr& credentials)
        : end(loop, *loop.run(io::connect_tcp(loop.executor(), endpoint)),
              *tls::Session::create(credentials, tls::Role::client), {}) {
        end.start();
        REQUIRE(loop.until([&] { return end.shaken.has_value(); }));
        REQUIRE(*end.shaken);
    }

    TestStream& ask(const std::string& path) {
        const Headers headers{{":method", "POST"},
                              {":scheme", "https"},
                              {":path", path},
                              {":authority", "x"},
                              {"content-type", "application/grpc"}};
        streams.push_back(std::make_unique<TestStream>());
        TestStream& stream = *streams.back();
        stream.connection = end.connection.get();
        const auto id = end.connection->open(headers, &stream);
        REQUIRE(id);
        stream.id = *id;
        return stream;
    }
    // All but the last byte of a message.
    void send_unfinished(TestStream& stream, std::size_t length) {
        std::string bytes = rpc::frame(std::string(length, 'x'));
        bytes.pop_back();
        end.send_all(stream, std::move(bytes), false);
    }
    [[nodiscard]] static std::string status_of(const TestStream& stream) {
        for (const Headers& block : stream.headers)
            if (const auto status = http::find_header(block, "grpc-status"); !status.empty())
                return std::string(status);
        return "";
    }

    std::vector<std::unique_ptr<TestStream>> streams;
    TestEnd end; // goes first
};

} // namespace

TEST_CASE("a stranger's messages are small; a member's may be large") {
    TestLoop loop;
    Server server(loop, open_options(), false);
    auto stranger = server.connect(anonymous_credentials());
    const std::string most(limits::stranger_message_bytes, 'x');
    CHECK((call(loop, *stranger, most) == most));
    const auto refused = call(loop, *stranger, most + "x");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::resource_exhausted);
    CHECK(call(loop, *stranger, "small") == "small");

    auto member = server.connect(credentials_of("web"));
    CHECK((call(loop, *member, pattern(1 << 20, 1)) == pattern(1 << 20, 1)));
}

TEST_CASE("who is known is the server's to say, whatever the certificate") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.known = [](const Caller& caller) { return caller.identity == identity_of("web"); };
    Server server(loop, options, false);
    auto known = server.connect(credentials_of("web"));
    auto unknown = server.connect(credentials_of("db"));
    const std::string large(limits::stranger_message_bytes + 1, 'x');
    CHECK(call(loop, *known, large));
    CHECK_FALSE(call(loop, *unknown, large));
}

TEST_CASE("a guard is asked before any of the message is taken") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.buffered_bytes = 1 << 20;
    Server server(loop, options, false);
    auto client = server.connect(anonymous_credentials());
    SUBCASE("a refusal does not wait for the message") {
        RawCaller raw(loop, server.endpoint, anonymous_credentials());
        TestStream& stream = raw.ask("/test/Guarded");
        REQUIRE(loop.until([&] { return stream.ended; }));
        CHECK(RawCaller::status_of(stream) == "16");
    }
    SUBCASE("a refusal costs nothing, however long the message") {
        const auto got = loop.run(client->call("/test/Guarded", std::string(10 << 20, 'x'), 5s));
        REQUIRE_FALSE(got);
        CHECK(got.error().code == ErrorCode::unauthenticated);
        CHECK(server.seen.asked == 1);
        CHECK(server.seen.callers.empty());
    }
    SUBCASE("who is admitted is no stranger") {
        client->set_bearer("sesame");
        const std::string large(500'000, 'x');
        CHECK((loop.run(client->call("/test/Guarded", large, 5s)) == large));
        client->set_bearer("");
        CHECK_FALSE(loop.run(client->call("/test/Guarded", "x", 5s)));
    }
    SUBCASE("a token that cannot be one") {
        client->set_bearer(std::string(10'000, 'x'));
        const auto got = loop.run(client->call("/test/Guarded", "x", 5s));
        REQUIRE_FALSE(got);
        CHECK(got.error().code == ErrorCode::unauthenticated);
        CHECK(server.seen.asked == 0);
    }
}

TEST_CASE("what all connections hold is bounded together") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.buffered_bytes = 1 << 20;
    Server server(loop, options, false);
    std::vector<std::unique_ptr<RawCaller>> callers;
    for (int i = 0; i < 4; ++i) {
        callers.push_back(
            std::make_unique<RawCaller>(loop, server.endpoint, credentials_of("web")));
        callers.back()->send_unfinished(callers.back()->ask("/test/Echo"), 400'000);
    }
    const auto cut = [&] {
        return std::ranges::count_if(
            callers, [](const auto& each) { return each->streams.front()->closed.has_value(); });
    };
    REQUIRE(loop.until([&] { return cut() >= 2; }));
    CHECK(cut() == 2); // two fit
    for (const auto& each : callers)
        if (each->streams.front()->closed)
            CHECK(each->streams.front()->closed == H2Code::enhance_your_calm);
    // What those held is free again.
    auto client = server.connect(credentials_of("web"));
    CHECK(call(loop, *client, std::string(100'000, 'x')));
    for (auto& each : callers) each->end.connection->abort();
    REQUIRE(loop.until([&] { return call(loop, *client, std::string(900'000, 'x')).has_value(); }));
}

TEST_CASE("who holds little has room, whatever the others hold") {
    rpc::MessageMemory whole(100'000);
    rpc::MessageMemory greedy(1 << 20, &whole), modest(1 << 20, &whole), small(10, &whole);
    CHECK(greedy.change(0, 100'000));
    CHECK_FALSE(greedy.change(100'000, 100'001));
    CHECK(modest.change(0, rpc::own_share));
    CHECK_FALSE(modest.change(rpc::own_share, rpc::own_share + 1));
    CHECK(modest.change(rpc::own_share + 1, 100));
    CHECK_FALSE(small.change(0, 11)); // a bound of its own
}

TEST_CASE("many messages that hold nothing are bounded as well") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.buffered_bytes = 4 << 20;
    Server server(loop, options, false);
    RawCaller raw(loop, server.endpoint, credentials_of("web"));
    TestStream& stream = raw.ask("/test/Deaf");
    std::string empty_messages(1'000'000 * rpc::prefix_bytes, '\0');
    raw.end.send_all(stream, std::move(empty_messages), false);
    REQUIRE(loop.until([&] { return stream.closed.has_value(); }, 10s));
    CHECK(stream.closed == H2Code::enhance_your_calm);
}

TEST_CASE("strangers have few connections, and the oldest makes room") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.max_strangers = 2;
    options.max_connections = 1;
    Server server(loop, options, false);
    auto member = server.connect(credentials_of("web"));
    REQUIRE(call(loop, *member, "x"));
    // All places of members are taken, by one who keeps his.
    CHECK_FALSE(server.try_connect(anonymous_credentials()));
    member.reset();
    std::unique_ptr<Client> first;
    REQUIRE(loop.until([&] {
        auto client = server.try_connect(anonymous_credentials());
        if (client) first = std::move(*client);
        return client.has_value();
    }));
    REQUIRE(call(loop, *first, "x"));
    auto second = server.connect(anonymous_credentials());
    REQUIRE(call(loop, *second, "x"));
    server.seen.refused.clear();
    auto third = server.connect(anonymous_credentials());
    CHECK(call(loop, *third, "x"));
    REQUIRE(loop.until([&] { return first->broken(); }));
    CHECK(call(loop, *second, "x"));
    REQUIRE(server.seen.refused.size() == 1);
    CHECK(server.seen.refused.front().code == ErrorCode::resource_exhausted);

    auto other = server.connect(credentials_of("web"));
    CHECK(call(loop, *other, "x"));
    CHECK(call(loop, *third, "x"));
}

TEST_CASE("an admitted call takes its connection out of the strangers'") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.max_strangers = 1;
    Server server(loop, options, false);
    auto operators = server.connect(anonymous_credentials());
    operators->set_bearer("sesame");
    REQUIRE(loop.run(operators->call("/test/Guarded", "x", 5s)));
    for (int i = 0; i < 3; ++i) {
        auto stranger = server.connect(anonymous_credentials());
        REQUIRE(call(loop, *stranger, "x"));
    }
    CHECK(loop.run(operators->call("/test/Guarded", "x", 5s)));
}

TEST_CASE("many who come at once are no strangers before they asked") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.max_strangers = 1;
    options.max_handshakes = 4;
    options.max_connections = 8;
    Server server(loop, options, false);
    std::vector<std::unique_ptr<Client>> operators;
    for (int i = 0; i < 4; ++i) {
        operators.push_back(server.connect(anonymous_credentials()));
        operators.back()->set_bearer("sesame");
    }
    SUBCASE("each is admitted") {
        for (const auto& each : operators) CHECK(loop.run(each->call("/test/Guarded", "x", 5s)));
        CHECK(server.seen.refused.empty());
    }
    SUBCASE("those who go on asking nothing are few") {
        auto fifth = server.connect(anonymous_credentials());
        REQUIRE(loop.until([&] { return operators.front()->broken(); }));
        CHECK(call(loop, *fifth, "x"));
        CHECK(loop.run(operators[1]->call("/test/Guarded", "x", 5s)));
        REQUIRE(server.seen.refused.size() == 1);
        CHECK(server.seen.refused.front().message == "too many connections that ask nothing");
    }
}

TEST_CASE("those who do not finish their handshake make room for those who do") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.max_handshakes = 2;
    Server server(loop, options, false);
    std::vector<io::Socket> silent;
    for (int i = 0; i < 4; ++i)
        silent.push_back(*loop.run(io::connect_tcp(loop.executor(), server.endpoint)));
    auto client = server.connect(credentials_of("web"));
    CHECK(call(loop, *client, "x"));
    REQUIRE(loop.until([&] { return server.seen.refused.size() == 3; }));
    for (const Error& error : server.seen.refused)
        CHECK(error.message == "too many handshakes at a time");
}

TEST_CASE("a stranger who does nothing is let go soon") {
    TestLoop loop;
    rpc::ServerOptions options = open_options();
    options.stranger_patience = 100ms;
    Server server(loop, options, false);
    auto member = server.connect(credentials_of("web"));
    auto operators = server.connect(anonymous_credentials());
    operators->set_bearer("sesame");
    REQUIRE(loop.run(operators->call("/test/Guarded", "x", 5s)));
    SUBCASE("without a call") {
        auto idle = server.connect(anonymous_credentials());
        REQUIRE(loop.until([&] { return idle->broken(); }));
    }
    SUBCASE("with a call that never says what it wants") {
        RawCaller raw(loop, server.endpoint, anonymous_credentials());
        TestStream& stream = raw.ask("/test/Echo");
        REQUIRE(loop.until([&] { return stream.closed.has_value(); }));
        CHECK(RawCaller::status_of(stream) == "4");
        CHECK(server.seen.callers.size() == 1); // the operator's
    }
    CHECK_FALSE(member->broken());
    CHECK(call(loop, *member, "x"));
    CHECK(call(loop, *operators, "x"));
}

TEST_CASE("a stranger has few calls at a time") {
    TestLoop loop;
    Server server(loop, open_options(), false);
    RawCaller raw(loop, server.endpoint, anonymous_credentials());
    for (std::size_t i = 0; i < limits::stranger_calls + 3; ++i) raw.ask("/test/Echo");
    const auto refused = [&] {
        return std::ranges::count_if(
            raw.streams, [](const auto& each) { return each->closed == H2Code::refused_stream; });
    };
    REQUIRE(loop.until([&] { return refused() == 3; }));
    // And no guard is asked for more: what it looks up is work, too.
    TestStream& guarded = raw.ask("/test/Guarded");
    REQUIRE(loop.until([&] { return guarded.closed.has_value(); }));
    CHECK(guarded.closed == H2Code::refused_stream);
    CHECK(server.seen.asked == 0);
}

} // namespace hawser::test
