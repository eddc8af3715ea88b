// One call on the server: from its headers to its status.
#pragma once

#include <memory>

#include "rpc/channel.h"

namespace hawser::rpc {

class ServerCall final : public Channel {
  public:
    explicit ServerCall(io::Executor executor);

    // Ends the stream with ok; run_call ends it with what the handler returned.
    void finish() override { end(Result<void>()); }
    void end(const Result<void>& status);
    // Until the handler is done (true), or the time is up or the caller left (false).
    [[nodiscard]] io::Task<bool> handled(std::chrono::milliseconds timeout);
    void set_handled();
    // Until the stream is over, for at most `timeout`.
    [[nodiscard]] io::Task<void> wait_closed(std::chrono::milliseconds timeout);

  private:
    void on_headers(http::Headers) override {} // a client sends no trailers that matter
    void before_write() override;
    Result<std::optional<std::string>> at_end() override { return std::nullopt; }
    void closed_early() override { changed_.notify(); }

    io::Signal changed_;
    bool responded_ = false, ended_ = false, handled_ = false;
};

// Runs the handler that the request names. `methods` and `caller` outlive the task; a cancelled
// task still waits for its handler, which is cancelled with it.
[[nodiscard]] io::Task<void> run_call(const Methods& methods, const Caller& connection_caller,
                                      http::Headers headers, std::shared_ptr<ServerCall> call);

} // namespace hawser::rpc
