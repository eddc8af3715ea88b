// Calls the control protocol. One HTTP/2 connection; calls share it.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "io/loop.h"
#include "rpc/server.h"
#include "tls/credentials.h"
#include "tls/session.h"

namespace hawser::rpc {

struct ClientOptions {
    std::chrono::milliseconds timeout = limits::connect_timeout;
    std::optional<model::Identity> expected{}; // whom it must be, if not any server of the mesh
    // A connection on which nothing came for `ping_interval` is asked for a sign of life.
    std::chrono::milliseconds ping_interval = limits::heartbeat_interval * 2;
    std::chrono::milliseconds ping_timeout = limits::tunnel_ping_timeout;
};

class Client {
  public:
    // Connected and past the handshake.
    static io::Task<Result<std::unique_ptr<Client>>> connect_tls(Endpoint endpoint,
                                                                 tls::CredentialsPtr credentials,
                                                                 ClientOptions options = {});
    static io::Task<Result<std::unique_ptr<Client>>> connect_unix(
        std::string path, std::chrono::milliseconds timeout = limits::connect_timeout);
    ~Client();

    void set_bearer(std::string token);

    [[nodiscard]] io::Task<Result<std::string>> call(
        std::string path, std::string request,
        std::chrono::milliseconds timeout = limits::rpc_timeout);
    [[nodiscard]] io::Task<Result<std::unique_ptr<MessageStream>>> open_stream(std::string path);

    template <typename Response, typename Request>
    [[nodiscard]] io::Task<Result<Response>> call(
        std::string path, Request request,
        std::chrono::milliseconds timeout = limits::rpc_timeout) {
        Result<std::string> bytes =
            co_await call(std::move(path), request.SerializeAsString(), timeout);
        if (!bytes) co_return fail(std::move(bytes.error()));
        Response response;
        if (!response.ParseFromString(*bytes))
            co_return fail(ErrorCode::corrupt, "the answer is not a valid message");
        co_return response;
    }

    [[nodiscard]] bool broken() const;
    [[nodiscard]] const std::optional<tls::PeerCertificate>& peer() const;

  private:
    struct Impl;
    explicit Client(std::shared_ptr<Impl> impl);
    [[nodiscard]] static io::Task<Result<std::shared_ptr<Impl>>> connect(
        io::Socket socket, std::unique_ptr<tls::Session> session, const ClientOptions& options);
    std::shared_ptr<Impl> impl_;
};

} // namespace hawser::rpc
