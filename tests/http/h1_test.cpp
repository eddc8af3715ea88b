// The small HTTP/1 server and client, against each other and against malformed peers.
#include <doctest/doctest.h>

#include <asio/use_awaitable.hpp>

#include "http/h1_client.h"
#include "http/h1_parser.h"
#include "http/h1_server.h"
#include "http/raw_peer.h"

namespace hawser::test {
namespace {

using http::H1Answer;
using http::H1Parser;
using http::H1Request;
using http::H1Response;

io::Task<H1Response> answer(std::string path) {
    if (path == "/metrics") co_return H1Response{.body = "up 1\n"};
    if (path == "/large") co_return H1Response{.body = std::string(1 << 20, 'x')};
    co_return H1Response{.status = 404, .body = "no " + path + "\n"};
}

struct Server {
    explicit Server(TestLoop& the_loop) : loop(the_loop), tasks(loop.executor()) {
        auto acceptor = io::listen_tcp(loop.executor(), *Endpoint::parse("127.0.0.1:0"));
        REQUIRE(acceptor);
        endpoint = *io::local_endpoint(acceptor->native_handle());
        tasks.spawn(http::serve_h1(std::move(*acceptor), answer));
    }
    ~Server() {
        tasks.cancel();
        REQUIRE(loop.until([this] { return tasks.size() == 0; }));
    }
    // What the server says to these bytes, until it closes the connection.
    std::string talk(std::string_view bytes) {
        auto socket = loop.run(io::connect_tcp(loop.executor(), endpoint));
        REQUIRE(socket);
        const int descriptor = socket->native_handle();
        std::string received;
        REQUIRE(loop.until([&] {
            if (!bytes.empty()) {
                const auto sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
                if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
                if (sent < 0 && errno != EAGAIN) bytes = {};
            }
            char buffer[65536];
            const auto count = ::recv(descriptor, buffer, sizeof buffer, 0);
            if (count > 0) received.append(buffer, static_cast<std::size_t>(count));
            return count == 0 || (count < 0 && errno != EAGAIN);
        }));
        return received;
    }

    TestLoop& loop;
    io::TaskGroup tasks;
    Endpoint endpoint;
};

// One connection's worth of a server that says what it is told to.
struct CannedServer {
    CannedServer(TestLoop& the_loop, std::string the_answer)
        : loop(the_loop), tasks(loop.executor()), text(std::move(the_answer)) {
        auto acceptor = io::listen_tcp(loop.executor(), *Endpoint::parse("127.0.0.1:0"));
        endpoint = *io::local_endpoint(acceptor->native_handle());
        tasks.spawn(serve(*this, std::move(*acceptor)));
    }
    ~CannedServer() {
        tasks.cancel();
        REQUIRE(loop.until([this] { return tasks.size() == 0; }));
    }
    static io::Task<void> serve(CannedServer& self, io::Acceptor acceptor) {
        auto socket = co_await io::accept(acceptor);
        if (!socket) co_return;
        char buffer[4096];
        const auto count = co_await socket->async_read_some(asio::buffer(buffer),
                                                            asio::use_awaitable_t<io::Executor>{});
        self.request.assign(buffer, count);
        if (self.text.empty()) {
            (void)co_await io::sleep(10s); // never answers
        }
        (void)::send(socket->native_handle(), self.text.data(), self.text.size(), MSG_NOSIGNAL);
    }

    TestLoop& loop;
    io::TaskGroup tasks;
    std::string text, request;
    Endpoint endpoint;
};

Result<H1Answer> ask(TestLoop& loop, std::string text, H1Request request = {}) {
    CannedServer server(loop, std::move(text));
    request.endpoint = server.endpoint;
    request.host = "api";
    return loop.run(http::request_h1(request));
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the client gets what the server serves") {
    TestLoop loop;
    Server server(loop);
    H1Request request{.endpoint = server.endpoint, .host = "localhost", .path = "/metrics"};
    Result<H1Answer> got = loop.run(http::request_h1(request));
    REQUIRE(got);
    CHECK(got->status == 200);
    CHECK(got->body == "up 1\n");
    request.path = "/nothing";
    got = loop.run(http::request_h1(request));
    REQUIRE(got);
    CHECK(got->status == 404);
    request.path = "/large";
    got = loop.run(http::request_h1(request));
    REQUIRE(got);
    CHECK(got->body.size() == request.max_body); // and no more
    request.method = "HEAD";
    got = loop.run(http::request_h1(request));
    REQUIRE(got);
    CHECK(got->status == 200);
    CHECK(got->body.empty());
}

TEST_CASE("a connection serves several requests, also pipelined") {
    TestLoop loop;
    Server server(loop);
    const std::string said = server.talk(
        "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nHEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(said ==
          "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
          "content-length: 5\r\n\r\nup 1\n"
          "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n"
          "content-length: 5\r\n\r\n"
          "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain; charset=utf-8\r\n"
          "content-length: 6\r\nconnection: close\r\n\r\nno /x\n");
}

TEST_CASE("the server refuses what it should and closes") {
    TestLoop loop;
    Server server(loop);
    const std::string long_header = "a: " + std::string(20'000, 'x');
    std::string many;
    for (int i = 0; i < 200; ++i) many += "a: b\r\n";
    struct Case {
        std::string sent;
        std::string_view status;
    };
    const std::vector<Case> cases{
        {"GET /metrics HTTP/1.1\r\n\r\n", "400"},
        {"GET /metrics HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"},
        {"GET http://a/metrics HTTP/1.1\r\nhost: a\r\n\r\n", "400"},
        {"GET /metrics HTTP/1.1\nhost: a\n\n", "400"},
        {"GET /metrics HTTP/1.1\r\nhost : a\r\n\r\n", "400"},
        {"GET /metrics HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n", "400"},
        {"GET /metrics HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n", "400"},
        {"GET /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
         "400"},
        {"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\nx",
         "400"},
        {"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\nx", "400"},
        {"POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello", "413"},
        {"POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", "405"},
        {"DELETE /metrics HTTP/1.1\r\nhost: a\r\n\r\n", "405"},
        {"GET / HTTP/1.1\r\nhost: a\r\n" + long_header + "\r\n\r\n", "431"},
        {"GET / HTTP/1.1\r\nhost: a\r\n" + many + "\r\n", "431"},
        {"GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nhost: a\r\n\r\n", "431"},
        {"\x16\x03\x01 not HTTP at all", "400"},
        {"GET / HTTP/3.7\r\nhost: a\r\n\r\n", "400"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
    };
    for (const Case& one : cases) {
        CAPTURE(one.sent.substr(0, 100));
        const std::string said = server.talk(one.sent);
        CHECK(said.starts_with("HTTP/1.1 " + std::string(one.status)));
        CHECK(contains(said, "connection: close"));
    }
}

TEST_CASE("requests may come byte by byte") {
    H1Parser parser(H1Parser::Kind::request, {});
    for (const char byte :
         std::string_view("GET /a?b=c HTTP/1.1\r\nHost: x\r\nAccept: y\r\n\r\n")) {
        REQUIRE_FALSE(parser.complete());
        REQUIRE(*parser.feed(as_bytes({&byte, 1})) == 1);
    }
    REQUIRE(parser.complete());
    const http::H1Message message = parser.take();
    CHECK(message.method == "GET");
    CHECK(message.target == "/a?b=c");
    CHECK(message.headers == http::Headers{{"host", "x"}, {"accept", "y"}});
    CHECK(message.keep_alive);
}

TEST_CASE("over the limit connections are closed, and there is room again when others leave") {
    TestLoop loop;
    Server server(loop);
    std::vector<io::Socket> held;
    for (std::size_t i = 0; i < limits::metrics_connections; ++i)
        held.push_back(std::move(*loop.run(io::connect_tcp(loop.executor(), server.endpoint))));
    REQUIRE(loop.until([&] { return server.tasks.size() == 1; }));
    loop.settle();
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n";
    CHECK(server.talk(request).empty());
    held.clear();
    REQUIRE(loop.until([&] { return server.talk(request).starts_with("HTTP/1.1 200"); }));
}

TEST_CASE("the client reads answers of every shape") {
    TestLoop loop;
    Result<H1Answer> got = ask(loop, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    REQUIRE(got);
    CHECK(got->body == "ok");
    got = ask(loop,
              "HTTP/1.1 200 OK\r\ntransfer-encoding: "
              "chunked\r\n\r\n2\r\nok\r\n3;x=y\r\n123\r\n0\r\n\r\n");
    REQUIRE(got);
    CHECK(got->body == "ok123");
    got = ask(loop, "HTTP/1.0 500 Oops\r\n\r\nuntil the end");
    REQUIRE(got);
    CHECK(got->status == 500);
    CHECK(got->body == "until the end");
    got = ask(loop, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    REQUIRE(got);
    CHECK(got->status == 204);
    got = ask(loop, "HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x'), {.max_body = 10});
    REQUIRE(got);
    CHECK(got->body == "xxxxxxxxxx");
}

TEST_CASE("the client refuses malformed answers") {
    TestLoop loop;
    CHECK_FALSE(ask(loop, "not HTTP\r\n\r\n"));
    CHECK_FALSE(ask(loop, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort"));
    CHECK_FALSE(ask(loop, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"));
    CHECK_FALSE(ask(loop, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"));
    CHECK_FALSE(ask(loop, "HTTP/1.1 200 OK\r\n" + std::string(100'000, 'a')));
    CHECK_FALSE(
        ask(loop, "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"));
    std::string endless;
    for (int i = 0; i < 100; ++i) endless += "HTTP/1.1 100 Continue\r\n\r\n";
    CHECK_FALSE(ask(loop, endless));
}

TEST_CASE("the client keeps its deadline") {
    TestLoop loop;
    const Result<H1Answer> got = ask(loop, "", {.timeout = 100ms});
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::deadline_exceeded);
}

TEST_CASE("the client says when nobody listens") {
    TestLoop loop;
    auto acceptor = io::listen_tcp(loop.executor(), *Endpoint::parse("127.0.0.1:0"));
    const Endpoint endpoint = *io::local_endpoint(acceptor->native_handle());
    acceptor->close();
    const Result<H1Answer> got = loop.run(http::request_h1({.endpoint = endpoint, .host = "api"}));
    REQUIRE_FALSE(got);
    CHECK(got.error().code == ErrorCode::unavailable);
}

TEST_CASE("a request that could smuggle is not sent") {
    TestLoop loop;
    const Endpoint endpoint = *Endpoint::parse("127.0.0.1:1");
    for (const H1Request& request :
         {H1Request{.endpoint = endpoint, .host = "a\r\nb: c"},
          H1Request{.endpoint = endpoint, .host = "a", .path = "/ HTTP/1.1"},
          H1Request{.endpoint = endpoint, .host = "a", .path = "x"},
          H1Request{.endpoint = endpoint, .method = "GET /", .host = "a"},
          H1Request{.endpoint = endpoint, .host = ""}}) {
        const Result<H1Answer> got = loop.run(http::request_h1(request));
        REQUIRE_FALSE(got);
        CHECK(got.error().code == ErrorCode::invalid);
    }
}

} // namespace hawser::test
