#include "rpc/client.h"

#include <utility>

#include "io/socket.h"
#include "io/task_group.h"
#include "rpc/channel.h"

namespace hawser::rpc {
namespace {

// Control connections carry few streams, but a snapshot's messages are large.
http::H2Options connection_options(const ClientOptions& options) {
    return {.max_concurrent_streams = 0,
            .ping_interval = options.ping_interval,
            .ping_timeout = options.ping_timeout,
            .handshake_timeout = options.timeout};
}

} // namespace

// Shared with open calls, which may outlive the client.
struct Client::Impl {
    std::unique_ptr<http::H2Connection> connection;
    std::string bearer;
};

namespace {

class ClientChannel final : public Channel {
  public:
    ClientChannel(io::Executor executor, std::shared_ptr<void> owner)
        : Channel(executor), owner_(std::move(owner)) {}
    ~ClientChannel() { abort(); } // before the connection may go

    void finish() override {
        if (connection_ != nullptr) connection_->finish(stream_);
    }
    [[nodiscard]] bool refused() const override { return peer_ended_; }
    // The call's outcome, once its messages are read.
    [[nodiscard]] Result<void> status() const {
        if (failure_) return fail(*failure_);
        if (status_) return *status_;
        return fail(ErrorCode::unavailable, "the peer ended the call without a status");
    }

  private:
    void on_headers(http::Headers headers) override {
        if (!std::exchange(answered_, true)) {
            if (auto answer = check_response_headers(headers); !answer)
                return fail_with(std::move(answer.error()));
        }
        if (auto status = parse_status(headers)) status_ = std::move(*status);
    }
    Result<std::optional<std::string>> at_end() override {
        if (auto outcome = status(); !outcome) return fail(std::move(outcome.error()));
        return std::nullopt;
    }

    std::shared_ptr<void> owner_; // keeps the connection while the call uses it
    std::optional<Result<void>> status_;
    bool answered_ = false;
};

http::Headers request_headers(std::string path, const std::string& bearer,
                              std::optional<std::chrono::milliseconds> timeout) {
    http::Headers headers{{":method", "POST"},        {":scheme", "https"},
                          {":path", std::move(path)}, {":authority", "hawser"},
                          {"te", "trailers"},         {"content-type", std::string(content_type)}};
    if (timeout) headers.emplace_back("grpc-timeout", format_timeout(*timeout));
    if (!bearer.empty()) headers.emplace_back("authorization", "Bearer " + bearer);
    return headers;
}

Result<std::shared_ptr<ClientChannel>> open_channel(std::shared_ptr<void> owner,
                                                    http::H2Connection& connection,
                                                    const http::Headers& headers) {
    auto channel = std::make_shared<ClientChannel>(connection.executor(), std::move(owner));
    auto stream = connection.open(headers, channel.get());
    if (!stream) return fail(std::move(stream.error()));
    (void)channel->attach(connection, *stream); // refuses only where memory is shared
    return channel;
}

// A stream as its user holds it.
class ClientStream final : public MessageStream {
  public:
    explicit ClientStream(std::shared_ptr<ClientChannel> channel) : channel_(std::move(channel)) {}
    ~ClientStream() override { channel_->abort(); }

    io::Task<Result<std::optional<std::string>>> read(std::chrono::milliseconds timeout) override {
        return channel_->read(timeout);
    }
    io::Task<Result<void>> write(std::string message, std::chrono::milliseconds timeout) override {
        return channel_->write(std::move(message), timeout);
    }
    void finish() override { channel_->finish(); }
    void abort() override { channel_->abort(); }

  private:
    std::shared_ptr<ClientChannel> channel_;
};

} // namespace

Client::Client(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Client::~Client() {
    impl_->connection->abort();
}

io::Task<Result<std::shared_ptr<Client::Impl>>> Client::connect(
    io::Socket socket, std::unique_ptr<tls::Session> session, const ClientOptions& options) {
    auto impl = std::make_shared<Impl>();
    impl->connection = std::make_unique<http::H2Connection>(std::move(socket), std::move(session),
                                                            connection_options(options), nullptr);
    if (auto done = co_await impl->connection->handshake(); !done)
        co_return fail(std::move(done.error()));
    impl->connection->start();
    co_return impl;
}

io::Task<Result<std::unique_ptr<Client>>> Client::connect_tls(Endpoint endpoint,
                                                              tls::CredentialsPtr credentials,
                                                              ClientOptions options) {
    const std::string step = "connecting to " + endpoint.to_string();
    auto session =
        tls::Session::create(std::move(credentials), tls::Role::client, options.expected);
    if (!session) co_return fail(std::move(session.error()), step);
    const io::Executor executor = co_await asio::this_coro::executor;
    auto socket = co_await io::connect_tcp(executor, endpoint, {.timeout = options.timeout});
    if (!socket) co_return fail(std::move(socket.error()), step);
    auto impl = co_await connect(std::move(*socket), std::move(*session), options);
    if (!impl) co_return fail(std::move(impl.error()), step);
    co_return std::unique_ptr<Client>(new Client(std::move(*impl)));
}

io::Task<Result<std::unique_ptr<Client>>> Client::connect_unix(std::string path,
                                                               std::chrono::milliseconds timeout) {
    const io::Executor executor = co_await asio::this_coro::executor;
    auto socket = co_await io::connect_unix(executor, path, timeout);
    if (!socket) co_return fail(std::move(socket.error()));
    auto impl = co_await connect(std::move(*socket), nullptr, {.timeout = timeout});
    if (!impl) co_return fail(std::move(impl.error()), "connecting to " + path);
    co_return std::unique_ptr<Client>(new Client(std::move(*impl)));
}

void Client::set_bearer(std::string token) {
    impl_->bearer = std::move(token);
}

io::Task<Result<std::string>> Client::call(std::string path, std::string request,
                                           std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    auto channel = open_channel(impl_, *impl_->connection,
                                request_headers(std::move(path), impl_->bearer, timeout));
    if (!channel) co_return fail(std::move(channel.error()));
    // A server that refuses at once ends the stream before it took the request: its status counts.
    const auto written = co_await (*channel)->write(std::move(request), timeout);
    if (!written && !(*channel)->refused()) co_return fail(written.error());
    if (written) (*channel)->finish();
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    auto response = co_await (*channel)->read(left);
    if (!response) co_return fail(std::move(response.error()));
    if (!*response) co_return fail(ErrorCode::internal, "the peer answered without a message");
    auto end = co_await (*channel)->read(left);
    if (!end) co_return fail(std::move(end.error()));
    if (*end) co_return fail(ErrorCode::internal, "the peer answered with two messages");
    co_return std::move(**response);
}

io::Task<Result<std::unique_ptr<MessageStream>>> Client::open_stream(std::string path) {
    auto channel = open_channel(impl_, *impl_->connection,
                                request_headers(std::move(path), impl_->bearer, std::nullopt));
    if (!channel) co_return fail(std::move(channel.error()));
    co_return std::make_unique<ClientStream>(std::move(*channel));
}

bool Client::broken() const {
    return impl_->connection->closing();
}

const std::optional<tls::PeerCertificate>& Client::peer() const {
    return impl_->connection->peer();
}

} // namespace hawser::rpc
