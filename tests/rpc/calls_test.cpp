// Calls between a client and a server over real sockets.
#include <doctest/doctest.h>

#include <algorithm>

#include "rpc/test_server.h"

namespace hawser::test {
namespace {

struct Transport {
    bool tls = false;
    rpc::ServerOptions options;
    tls::CredentialsPtr client;
};
Transport transport() {
    SUBCASE("Unix socket") {
        return {};
    }
    SUBCASE("TLS") {
        return {.tls = true,
                .options = tls_options(credentials_of("api")),
                .client = credentials_of("web")};
    }
    return {};
}

io::Task<void> call_into(Client& client, std::string request, std::chrono::milliseconds timeout,
                         std::optional<Result<std::string>>& result) {
    result = co_await client.call("/test/Echo", std::move(request), timeout);
}

} // namespace

TEST_CASE("calls are answered, one after the other and many at once") {
    TestLoop loop;
    Transport how = transport();
    Server server(loop, how.options, !how.tls);
    auto client = server.connect(how.client);
    CHECK(call(loop, *client, "hello") == "hello");
    CHECK(call(loop, *client, "") == "");
    const std::string large = pattern(8 << 20, 1);
    const auto back = call(loop, *client, large);
    CHECK((back == large));

    io::TaskGroup tasks(loop.executor());
    std::vector<std::optional<Result<std::string>>> results(100);
    for (std::size_t i = 0; i < results.size(); ++i)
        tasks.spawn(
            call_into(*client, pattern(10'000, static_cast<std::uint32_t>(i)), 10s, results[i]));
    REQUIRE(loop.until([&] { return tasks.size() == 0; }));
    for (std::size_t i = 0; i < results.size(); ++i)
        CHECK((*results[i] == pattern(10'000, static_cast<std::uint32_t>(i))));
    CHECK_FALSE(client->broken());
}

TEST_CASE("failures travel with code and text") {
    TestLoop loop;
    Transport how = transport();
    Server server(loop, how.options, !how.tls);
    auto client = server.connect(how.client);
    auto got = call(loop, *client, "fail");
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::not_found);
    CHECK(got.error().message == "no such thing: 100 %");
    got = loop.run(client->call("/test/Nothing", "x"));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::unimplemented);
    // Also when the request is larger than what fits before the answer comes.
    got = loop.run(client->call("/test/Nothing", std::string(10 << 20, 'x')));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::unimplemented);
    CHECK(call(loop, *client, "still fine") == "still fine");
}

TEST_CASE("messages over the limit are refused on either side") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    auto got = call(loop, *client, std::string(limits::rpc_message_bytes + 1, 'x'));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::resource_exhausted);
    CHECK(call(loop, *client, "ok") == "ok");
}

TEST_CASE("a call that takes too long fails, and its handler is cancelled") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    const auto begun = std::chrono::steady_clock::now();
    const auto got = call(loop, *client, "slow", 200ms);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::deadline_exceeded);
    CHECK(std::chrono::steady_clock::now() - begun < 5s);
    REQUIRE(loop.until([&] { return server.seen.cancelled == 1 && server.seen.running == 0; }));
}

TEST_CASE("a caller that goes away cancels its handlers") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    std::optional<Result<std::string>> result;
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(call_into(*client, "slow", 20s, result));
    REQUIRE(loop.until([&] { return server.seen.running == 1; }));
    SUBCASE("the task") {
        tasks.cancel();
        REQUIRE(loop.until([&] { return server.seen.running == 0; }));
        CHECK(server.seen.cancelled == 1);
        CHECK(call(loop, *client, "next") == "next");
    }
    SUBCASE("the client") {
        client.reset();
        REQUIRE(loop.until([&] { return server.seen.running == 0 && result; }));
        CHECK(server.seen.cancelled == 1);
        CHECK(result->error().code == ErrorCode::unavailable);
    }
    tasks.cancel();
    REQUIRE(loop.until([&] { return tasks.size() == 0; }));
}

TEST_CASE("a stream carries messages both ways until both are done") {
    TestLoop loop;
    Transport how = transport();
    Server server(loop, how.options, !how.tls);
    auto client = server.connect(how.client);
    auto stream = open(loop, *client, "/test/Chat");
    for (const std::string& text : {std::string("one"), pattern(3 << 20, 1), std::string()}) {
        REQUIRE(loop.run(stream->write(text, 5s)));
        const auto answer = loop.run(stream->read(5s));
        REQUIRE(answer);
        REQUIRE(answer->has_value());
        CHECK((**answer == "re: " + text));
    }
    stream->finish();
    const auto end = loop.run(stream->read(5s));
    REQUIRE(end);
    CHECK_FALSE(end->has_value());
    REQUIRE(loop.until([&] { return server.seen.running == 0; }));
    CHECK(server.seen.cancelled == 0);
}

TEST_CASE("a stream ends with the status of its handler") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    auto stream = open(loop, *client, "/test/Chat");
    REQUIRE(loop.run(stream->write("fail", 5s)));
    const auto end = loop.run(stream->read(5s));
    REQUIRE_FALSE(end);
    CHECK(end.error().code == ErrorCode::aborted);
    CHECK(end.error().message == "lost the race");
    auto unknown = open(loop, *client, "/test/Nothing");
    const auto refused = loop.run(unknown->read(5s));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::unimplemented);
}

TEST_CASE("waiting for a message has a deadline; the stream lives on") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    auto stream = open(loop, *client, "/test/Chat");
    const auto nothing = loop.run(stream->read(50ms));
    REQUIRE_FALSE(nothing);
    CHECK(nothing.error().code == ErrorCode::deadline_exceeded);
    REQUIRE(loop.run(stream->write("hello", 5s)));
    CHECK(loop.run(stream->read(5s)).value() == "re: hello");
}

TEST_CASE("a stream that is dropped or aborted cancels its handler") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    auto stream = open(loop, *client, "/test/Chat");
    REQUIRE(loop.until([&] { return server.seen.running == 1; }));
    SUBCASE("dropped") {
        stream.reset();
    }
    SUBCASE("aborted") {
        stream->abort();
    }
    SUBCASE("the client is gone") {
        client.reset();
    }
    if (stream != nullptr && client != nullptr) stream->abort();
    REQUIRE(loop.until([&] { return server.seen.running == 0; }));
    CHECK(server.seen.cancelled == 1);
    if (stream != nullptr) CHECK_FALSE(loop.run(stream->write("late", 1s)));
    if (stream != nullptr) CHECK_FALSE(loop.run(stream->read(1s)));
}

TEST_CASE("a client that does not read is dropped, and costs bounded memory") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    auto stream = open(loop, *client, "/test/Firehose");
    REQUIRE(loop.until([&] { return server.seen.running == 1; }));
    REQUIRE(loop.until([&] { return server.seen.running == 0; })); // its write timed out
    CHECK(call(loop, *client, "others go on") == "others go on");
}

TEST_CASE("the server knows its caller: certificate, token, Unix credentials") {
    TestLoop loop;
    SUBCASE("certificate") {
        Server server(loop, tls_options(credentials_of("api")), false);
        auto client = server.connect(credentials_of("web"));
        REQUIRE(client->peer().has_value());
        CHECK(client->peer()->identity == identity_of("api"));
        REQUIRE(call(loop, *client, "x"));
        const Caller& caller = server.seen.callers.at(0);
        CHECK(caller.identity == identity_of("web"));
        CHECK(caller.certificate_sha256.size() == 32);
        CHECK(caller.certificate_not_after > 0);
        CHECK(caller.bearer.empty());
        CHECK_FALSE(caller.local);
        CHECK(caller.remote.starts_with("127.0.0.1:"));
    }
    SUBCASE("token without certificate") {
        Server server(loop, tls_options(credentials_for_anyone("api")), false);
        auto client = server.connect(anonymous_credentials());
        client->set_bearer("secret");
        REQUIRE(call(loop, *client, "x"));
        CHECK_FALSE(server.seen.callers.at(0).identity);
        CHECK(server.seen.callers.at(0).bearer == "secret");
        client->set_bearer("");
        REQUIRE(call(loop, *client, "x"));
        CHECK(server.seen.callers.at(1).bearer.empty()); // of the call, not of the connection
    }
    SUBCASE("Unix socket") {
        Server server(loop);
        auto client = server.connect();
        REQUIRE(call(loop, *client, "x"));
        const Caller& caller = server.seen.callers.at(0);
        REQUIRE(caller.local);
        CHECK(caller.local->uid == ::getuid());
        CHECK(caller.local->pid == ::getpid());
        CHECK(caller.remote == "unix:uid=" + std::to_string(::getuid()));
        CHECK_FALSE(caller.identity);
        CHECK_FALSE(client->peer());
    }
}

TEST_CASE("who is not of the mesh is refused, logged and counted") {
    TestLoop loop;
    Server server(loop, tls_options(credentials_of("api")), false);
    SUBCASE("a certificate of another mesh") {
        CHECK_FALSE(server.try_connect(credentials_of_another_mesh("web")));
    }
    SUBCASE("no certificate") {
        CHECK_FALSE(server.try_connect(anonymous_credentials()));
    }
    SUBCASE("plaintext") {
        auto socket = loop.run(io::connect_tcp(loop.executor(), server.endpoint));
        REQUIRE(socket);
        constexpr std::string_view request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        REQUIRE(::send(socket->native_handle(), request.data(), request.size(), 0) > 0);
        // It answers nothing, and closes when we do.
        socket->shutdown(io::Socket::shutdown_send);
        REQUIRE(loop.until([&] { return !server.seen.refused.empty(); }));
        CHECK(server.seen.refused.at(0).message.find("plaintext") != std::string::npos);
    }
    REQUIRE(loop.until([&] { return server.seen.refused.size() == 1; }));
    CHECK(server.seen.callers.empty());
}

TEST_CASE("a server without a certificate yet says so") {
    TestLoop loop;
    Server server(loop, tls_options(nullptr), false);
    CHECK_FALSE(server.try_connect(credentials_of("web")));
    REQUIRE(loop.until([&] { return server.seen.refused.size() == 1; }));
    CHECK(server.seen.refused.at(0).code == ErrorCode::unavailable);
}

TEST_CASE("connections over the limit are refused; others go on") {
    TestLoop loop;
    Server server(loop, {.max_connections = 2});
    auto first = server.connect();
    auto second = server.connect();
    REQUIRE(call(loop, *second, "x")); // it is past its handshake here and there
    CHECK_FALSE(server.try_connect(nullptr));
    CHECK(server.seen.refused.size() == 1);
    CHECK(call(loop, *first, "x") == "x");
    second.reset();
    REQUIRE(loop.until([&] { return server.try_connect(nullptr).has_value(); }));
}

TEST_CASE("what one connection's calls hold is bounded together") {
    TestLoop loop;
    Server server(loop);
    auto client = server.connect();
    // Each is a stream whose message stops just short of its end, so that no handler takes it.
    auto connected = loop.run(io::connect_unix(loop.executor(), server.path, 1s));
    REQUIRE(connected);
    TestEnd raw(loop, std::move(*connected), nullptr, {});
    raw.start();
    REQUIRE(loop.until([&] { return raw.shaken.has_value(); }));
    const Headers headers{{":method", "POST"},
                          {":scheme", "http"},
                          {":path", "/test/Echo"},
                          {":authority", "x"},
                          {"content-type", "application/grpc"}};
    std::vector<std::unique_ptr<TestStream>> streams;
    for (int i = 0; i < 6; ++i) {
        streams.push_back(std::make_unique<TestStream>());
        streams.back()->connection = raw.connection.get();
        const auto id = raw.connection->open(headers, streams.back().get());
        REQUIRE(id);
        streams.back()->id = *id;
        const auto length = static_cast<std::uint32_t>(limits::rpc_message_bytes);
        std::string bytes{'\0'};
        for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(length >> shift);
        raw.send_all(*streams.back(), bytes + std::string(length - 1, 'x'), false);
    }
    REQUIRE(loop.until([&] {
        return std::ranges::any_of(streams, [](const auto& s) { return s->closed.has_value(); });
    }));
    CHECK(call(loop, *client, "fine") == "fine");
    raw.connection->abort();
    REQUIRE(loop.until([&] { return raw.result.has_value(); }));
}

TEST_CASE("requests that are no calls are answered, not served") {
    TestLoop loop;
    Server server(loop);
    auto connected = loop.run(io::connect_unix(loop.executor(), server.path, 1s));
    REQUIRE(connected);
    TestEnd raw(loop, std::move(*connected), nullptr, {});
    raw.start();
    REQUIRE(loop.until([&] { return raw.shaken.has_value(); }));
    const auto ask = [&](const Headers& headers, const std::string& body) {
        auto stream = std::make_unique<TestStream>();
        stream->connection = raw.connection.get();
        const auto id = raw.connection->open(headers, stream.get());
        REQUIRE(id);
        stream->id = *id;
        raw.connection->write(*id, as_bytes(body));
        raw.connection->finish(*id);
        REQUIRE(loop.until([&] { return stream->closed.has_value(); }));
        std::string status;
        for (const Headers& block : stream->headers)
            for (const auto& [name, value] : block)
                if (name == "grpc-status") status = value;
        return status;
    };
    const auto headers = [](std::string_view method, std::string_view path,
                            std::string_view content, std::string_view timeout) {
        Headers list{{":method", std::string(method)},
                     {":scheme", "http"},
                     {":path", std::string(path)},
                     {":authority", "x"}};
        if (!content.empty()) list.emplace_back("content-type", content);
        if (!timeout.empty()) list.emplace_back("grpc-timeout", timeout);
        return list;
    };
    const std::string message = std::string("\0\0\0\0\1x", 6);
    CHECK(ask(headers("POST", "/test/Echo", "application/grpc", ""), message) == "0");
    CHECK(ask(headers("GET", "/test/Echo", "application/grpc", ""), "") == "12");
    CHECK(ask(headers("POST", "/test/Echo", "", ""), message) == "12");
    CHECK(ask(headers("POST", "/test/Echo", "text/plain", ""), message) == "12");
    CHECK(ask(headers("POST", "/test/Echo", "application/grpc", "soon"), message) == "3");
    CHECK(ask(headers("POST", "/", "application/grpc", ""), message) == "12");
    CHECK(ask(headers("POST", "/test/Echo", "application/grpc", ""), "") == "3");
    CHECK_FALSE(raw.result);
    raw.connection->abort();
    REQUIRE(loop.until([&] { return raw.result.has_value(); }));
}

TEST_CASE("stopping lets calls finish, and idle connections go") {
    TestLoop loop;
    Transport how = transport();
    auto server = std::make_unique<Server>(loop, how.options, !how.tls);
    auto idle = server->connect(how.client);
    auto busy = server->connect(how.client);
    auto stream = open(loop, *busy, "/test/Chat");
    REQUIRE(loop.run(stream->write("one", 5s)));
    CHECK(loop.run(stream->read(5s)).value() == "re: one");
    server->tasks.cancel();
    REQUIRE(loop.until([&] { return idle->broken() && busy->broken(); }));
    CHECK_FALSE(loop.run(idle->call("/test/Echo", "x")));
    CHECK_FALSE(server->try_connect(how.client));
    CHECK(server->tasks.size() == 1);
    REQUIRE(loop.run(stream->write("two", 5s))); // what runs goes on
    CHECK(loop.run(stream->read(5s)).value() == "re: two");
    stream->finish();
    CHECK_FALSE(loop.run(stream->read(5s)).value().has_value());
    REQUIRE(loop.until([&] { return server->tasks.size() == 0; }, 5s));
}

TEST_CASE("a server that stops answering is noticed") {
    TestLoop loop;
    auto server = std::make_unique<Server>(loop);
    auto client = server->connect();
    auto stream = open(loop, *client, "/test/Chat");
    REQUIRE(loop.until([&] { return server->seen.running == 1; }));
    stream->finish();
    server.reset();
    REQUIRE(loop.until([&] { return client->broken(); }));
    const auto got = call(loop, *client, "x");
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::unavailable);
}

TEST_CASE("connecting fails in time and says where") {
    TestLoop loop;
    auto got = loop.run(Client::connect_unix("/tmp/hawser-no-such-socket", 1s));
    REQUIRE_FALSE(got);
    CHECK(got.error().message.find("/tmp/hawser-no-such-socket") != std::string::npos);
    // A listener that never answers.
    auto acceptor = io::listen_tcp(loop.executor(), *Endpoint::parse("127.0.0.1:0"));
    const Endpoint endpoint = *io::local_endpoint(acceptor->native_handle());
    auto silent =
        loop.run(Client::connect_tls(endpoint, credentials_of("web"), {.timeout = 100ms}));
    REQUIRE_FALSE(silent);
    CHECK(silent.error().code == ErrorCode::deadline_exceeded);
    CHECK(silent.error().message.find(endpoint.to_string()) != std::string::npos);
}

} // namespace hawser::test
