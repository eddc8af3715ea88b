// Two HTTP/2 connections that talk to each other over a socket pair, with or without TLS, and
// handlers that write down what they are told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/h2_connection.h"
#include "http/test_loop.h"
#include "io/socket.h"

namespace hawser::test {

using http::H2Code;
using http::Headers;
using http::StreamId;

// A mesh's certificate authority and the credentials it gave out, made once.
[[nodiscard]] tls::CredentialsPtr credentials_of(const std::string& service);
[[nodiscard]] model::Identity identity_of(const std::string& service);
[[nodiscard]] tls::CredentialsPtr credentials_of_node(const std::string& node);
// A new certificate, of the node that this generation tells.
[[nodiscard]] tls::CredentialsPtr new_credentials(const model::Identity& identity,
                                                  std::uint64_t generation, Duration lifetime);
[[nodiscard]] tls::CredentialsPtr credentials_of_another_mesh(const std::string& service);
// Trusts the mesh, has no certificate.
[[nodiscard]] tls::CredentialsPtr anonymous_credentials();
// A server's that asks for certificates but takes clients without.
[[nodiscard]] tls::CredentialsPtr credentials_for_anyone(const std::string& service);

// A connected pair.
[[nodiscard]] std::pair<io::Socket, io::Socket> socket_pair(TestLoop& loop);

class TestStream final : public http::StreamHandler {
  public:
    void on_headers(Headers received) override;
    void on_data(ByteView bytes) override;
    void on_end() override;
    void on_writable() override;
    void on_closed(H2Code code) override;

    http::H2Connection* connection = nullptr;
    StreamId id = 0;
    bool auto_consume = true;
    bool keep_data = true;
    std::function<void()> when_headers, when_data, when_end, when_writable, when_closed;

    std::vector<Headers> headers;
    std::string data;
    std::size_t received = 0;
    bool ended = false;
    int writable = 0;
    std::optional<H2Code> closed;
};

class TestEnd final : public http::ConnectionHandler {
  public:
    TestEnd(TestLoop& loop, io::Socket socket, std::unique_ptr<tls::Session> tls,
            http::H2Options options);
    ~TestEnd();

    http::StreamHandler* on_request(StreamId stream, Headers headers) override;
    void on_goaway() override { ++goaways; }

    void start(); // handshake, then run
    // Opens a stream with a handler of its own; null if it cannot.
    TestStream* open(bool end = false);
    // The stream the peer opened; null if there is none.
    TestStream* stream(StreamId id);
    // Writes all of it, as the stream has room, then ends it.
    void send_all(TestStream& stream, std::string bytes, bool finish = true);

    std::unique_ptr<http::H2Connection> connection;
    bool refuse = false; // on_request returns null
    std::function<void(TestStream&)> when_request;
    std::map<StreamId, std::unique_ptr<TestStream>> streams;
    std::vector<Headers> requests;
    int goaways = 0;
    std::optional<Result<void>> shaken;
    std::optional<Result<void>> result; // of run()

  private:
    static io::Task<void> serve(TestEnd& end);
    io::TaskGroup tasks_;
    TestLoop& loop_;
};

struct Pair {
    std::unique_ptr<TestEnd> client;
    std::unique_ptr<TestEnd> server;
};
// Both past their handshakes and running. The options' `server` is set here.
[[nodiscard]] Pair connect(TestLoop& loop, bool tls, http::H2Options client = {},
                           http::H2Options server = {});
// Ends both, in whatever state.
void close(TestLoop& loop, Pair& pair);

[[nodiscard]] Headers connect_request();
[[nodiscard]] Headers ok_response();
// `length` bytes that differ with `seed` and position.
[[nodiscard]] std::string pattern(std::size_t length, std::uint32_t seed);

} // namespace hawser::test
