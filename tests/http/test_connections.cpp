#include "http/test_connections.h"

#include <sys/socket.h>

#include <chrono>
#include <stdexcept>

#include "base/check.h"
#include "tls/x509.h"

namespace hawser::test {
namespace {

constexpr WallTime hour = 3'600'000;

WallTime now() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

template <typename T>
T value_of(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

struct Authority {
    std::string key = value_of(tls::generate_key_pem());
    std::string root =
        value_of(tls::issue_certificate({.use = tls::CertificateUse::root,
                                         .common_name = "root",
                                         .public_key_der = value_of(tls::public_key_of(key)),
                                         .issuer_key_pem = key,
                                         .not_before = now() - hour,
                                         .not_after = now() + 24 * hour}));

    // Of somebody without a name: without a certificate.
    [[nodiscard]] tls::CredentialsOptions options(const model::Identity& identity,
                                                  std::uint64_t generation = 0,
                                                  Duration lifetime = std::chrono::hours(1)) const {
        tls::CredentialsOptions options;
        options.trust_domain = "hawser.local";
        options.trust.roots = {root};
        options.alpn = {"h2"};
        if (identity.name.empty()) return options;
        const std::string own_key = value_of(tls::generate_key_pem());
        const std::string leaf = value_of(
            tls::issue_certificate({.common_name = identity.name,
                                    .identity = identity,
                                    .public_key_der = value_of(tls::public_key_of(own_key)),
                                    .issuer_key_pem = key,
                                    .issuer_der = root,
                                    .not_before = now() - hour,
                                    .not_after = now() + lifetime.count(),
                                    .generation = generation}));
        options.own.emplace();
        options.own->chain_pem = tls::to_pem(as_bytes(leaf));
        options.own->key_pem = own_key;
        return options;
    }
};

const Authority& mesh() {
    static const Authority authority;
    return authority;
}

tls::CredentialsPtr make(tls::CredentialsOptions options) {
    return value_of(tls::make_credentials(std::move(options)));
}

} // namespace

model::Identity identity_of(const std::string& service) {
    return {.trust_domain = "hawser.local", .kind = model::IdentityKind::service, .name = service};
}

tls::CredentialsPtr credentials_of(const std::string& service) {
    static std::map<std::string, tls::CredentialsPtr> made;
    auto& credentials = made[service];
    if (credentials == nullptr) credentials = make(mesh().options(identity_of(service)));
    return credentials;
}

tls::CredentialsPtr credentials_of_node(const std::string& node) {
    return make(mesh().options(
        {.trust_domain = "hawser.local", .kind = model::IdentityKind::node, .name = node}));
}

tls::CredentialsPtr new_credentials(const model::Identity& identity, std::uint64_t generation,
                                    Duration lifetime) {
    return make(mesh().options(identity, generation, lifetime));
}

tls::CredentialsPtr credentials_of_another_mesh(const std::string& service) {
    static const Authority other;
    return make(other.options(identity_of(service)));
}

tls::CredentialsPtr anonymous_credentials() {
    return make(mesh().options({}));
}

tls::CredentialsPtr credentials_for_anyone(const std::string& service) {
    auto options = mesh().options(identity_of(service));
    options.client_auth = tls::ClientAuth::optional;
    return make(std::move(options));
}

std::pair<io::Socket, io::Socket> socket_pair(TestLoop& loop) {
    int fds[2];
    HAWSER_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    const asio::generic::stream_protocol protocol(AF_UNIX, 0);
    return {io::Socket(loop.executor(), protocol, fds[0]),
            io::Socket(loop.executor(), protocol, fds[1])};
}

void TestStream::on_headers(Headers received_headers) {
    headers.push_back(std::move(received_headers));
    if (when_headers) when_headers();
}

void TestStream::on_data(ByteView bytes) {
    HAWSER_CHECK(!ended && !closed);
    received += bytes.size();
    if (keep_data) data.append(as_text(bytes));
    if (auto_consume) connection->consume(id, bytes.size());
    if (when_data) when_data();
}

void TestStream::on_end() {
    HAWSER_CHECK(!ended && !closed);
    ended = true;
    if (when_end) when_end();
}

void TestStream::on_writable() {
    HAWSER_CHECK(!closed);
    ++writable;
    if (when_writable) when_writable();
}

void TestStream::on_closed(H2Code code) {
    HAWSER_CHECK(!closed);
    closed = code;
    if (when_closed) when_closed();
}

TestEnd::TestEnd(TestLoop& loop, io::Socket socket, std::unique_ptr<tls::Session> tls,
                 http::H2Options options)
    : connection(
          std::make_unique<http::H2Connection>(std::move(socket), std::move(tls), options, this)),
      tasks_(loop.executor()),
      loop_(loop) {}

TestEnd::~TestEnd() {
    tasks_.cancel();
    HAWSER_CHECK(loop_.until([this] { return tasks_.size() == 0; }));
    connection.reset(); // while its handlers live
}

io::Task<void> TestEnd::serve(TestEnd& end) {
    end.shaken = co_await end.connection->handshake();
    if (*end.shaken) end.result = co_await end.connection->run();
}

void TestEnd::start() {
    tasks_.spawn(serve(*this));
}

http::StreamHandler* TestEnd::on_request(StreamId id, Headers headers) {
    requests.push_back(std::move(headers));
    if (refuse) return nullptr;
    auto stream = std::make_unique<TestStream>();
    stream->connection = connection.get();
    stream->id = id;
    TestStream& made = *stream;
    streams[id] = std::move(stream);
    if (when_request) when_request(made);
    return &made;
}

TestStream* TestEnd::open(bool end) {
    auto stream = std::make_unique<TestStream>();
    stream->connection = connection.get();
    const auto id = connection->open(connect_request(), stream.get(), end);
    if (!id) return nullptr;
    stream->id = *id;
    return (streams[*id] = std::move(stream)).get();
}

TestStream* TestEnd::stream(StreamId id) {
    const auto found = streams.find(id);
    return found == streams.end() ? nullptr : found->second.get();
}

void TestEnd::send_all(TestStream& stream, std::string bytes, bool finish) {
    auto rest = std::make_shared<std::string>(std::move(bytes));
    auto at = std::make_shared<std::size_t>(0);
    stream.when_writable = [this, &stream, rest, at, finish] {
        *at += connection->write(stream.id, as_bytes(*rest).subspan(*at));
        if (*at == rest->size() && finish) connection->finish(stream.id);
    };
    stream.when_writable();
}

Pair connect(TestLoop& loop, bool tls, http::H2Options client, http::H2Options server) {
    auto [near, far] = socket_pair(loop);
    std::unique_ptr<tls::Session> client_tls, server_tls;
    if (tls) {
        client_tls = value_of(
            tls::Session::create(credentials_of("web"), tls::Role::client, identity_of("api")));
        server_tls = value_of(tls::Session::create(credentials_of("api"), tls::Role::server));
    }
    client.server = false;
    server.server = true;
    Pair pair;
    pair.client = std::make_unique<TestEnd>(loop, std::move(near), std::move(client_tls), client);
    pair.server = std::make_unique<TestEnd>(loop, std::move(far), std::move(server_tls), server);
    pair.client->start();
    pair.server->start();
    if (!loop.until([&] { return pair.client->shaken && pair.server->shaken; }))
        throw std::runtime_error("the handshake takes too long");
    for (TestEnd* end : {pair.client.get(), pair.server.get()})
        if (!*end->shaken) throw std::runtime_error(end->shaken->error().message);
    loop.settle();
    return pair;
}

void close(TestLoop& loop, Pair& pair) {
    pair.client->connection->abort();
    pair.server->connection->abort();
    loop.settle();
}

Headers connect_request() {
    return {{":method", "CONNECT"}, {":authority", "10.0.0.1:8080"}};
}

Headers ok_response() {
    return {{":status", "200"}};
}

std::string pattern(std::size_t length, std::uint32_t seed) {
    std::string bytes(length, '\0');
    std::uint32_t state = seed * 2654435761U + 1;
    for (char& byte : bytes) {
        state = state * 1664525U + 1013904223U;
        byte = static_cast<char>(state >> 24);
    }
    return bytes;
}

} // namespace hawser::test
