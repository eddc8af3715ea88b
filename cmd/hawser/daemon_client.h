// Which daemon a command talks to, and one call at a time to it. Blocking: a command has nothing
// else to do. Each call makes its own loop and connection.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace hawser::cmd {

inline constexpr char agent_socket[] = "/run/hawser/agent.sock";
inline constexpr char server_socket[] = "/run/hawser/server.sock";

// --socket PATH, or --server HOST:PORT with --token-file (or HAWSER_TOKEN) and --ca.
struct TargetOptions {
    std::string socket;
    std::string server;
    std::string token_file;
    std::string ca;
    bool network_too = false; // whether --server is there
};
enum class Reach { socket_only, network_too };
void add_target_options(CLI::App& app, TargetOptions& options, Reach reach);

class DaemonClient {
  public:
    // `sockets`: where to look without --socket and --server; the first that is there.
    DaemonClient(TargetOptions options, std::vector<std::string> sockets);

    template <typename Response, typename Request>
    Result<Response> call(const std::string& path, const Request& request,
                          std::chrono::milliseconds timeout = limits::rpc_timeout) {
        Result<std::string> bytes = call_bytes(path, request.SerializeAsString(), timeout);
        if (!bytes) return fail(std::move(bytes.error()));
        Response response;
        if (!response.ParseFromString(*bytes)) {
            return fail(ErrorCode::corrupt, "the answer is not a valid message");
        }
        return response;
    }

    // Calls a method that answers with a stream, and hands on each message until the stream ends or
    // `take` fails.
    using TakeBytes = std::function<Result<void>(const std::string& bytes)>;
    template <typename Message, typename Request>
    Result<void> stream(const std::string& path, const Request& request,
                        std::function<Result<void>(const Message&)> take) {
        return stream_bytes(
            path, request.SerializeAsString(), [&take](const std::string& bytes) -> Result<void> {
                Message message;
                if (message.ParseFromString(bytes)) return take(message);
                return fail(ErrorCode::corrupt, "the answer is not a valid message");
            });
    }

    // Prints the failure; the exit code tells a daemon that said no from one that is not there.
    int report(const Error& error) const;
    [[nodiscard]] const std::string& address() const { return address_; }

  private:
    Result<std::string> call_bytes(const std::string& path, std::string request,
                                   std::chrono::milliseconds timeout);
    Result<void> stream_bytes(const std::string& path, std::string request, TakeBytes take);
    // `take` null: one answer.
    Result<std::string> exchange(const std::string& path, std::string request,
                                 std::chrono::milliseconds timeout, TakeBytes take);

    [[nodiscard]] std::string what_to_do(const Error& error) const;

    TargetOptions options_;
    std::vector<std::string> sockets_; // where we looked; empty if we were told where
    std::string address_;              // for messages: the socket's path, or HOST:PORT
    bool wrong_usage_ = false;
    bool reached_ = false;
};

// For commands that ask all daemons of this host: the one that was named, or each whose socket is
// there; if none is, one to fail with.
[[nodiscard]] std::vector<DaemonClient> daemons_here(const TargetOptions& options);

} // namespace hawser::cmd
