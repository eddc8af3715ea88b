// One call on the server: from its headers to its status.
#pragma once

#include <memory>

#include "base/result.h"
#include "rpc/channel.h"

namespace hawser::rpc {

// What a call's headers ask for. They themselves are not kept: they may be large, and calls long.
struct Asked {
    const Method* method = nullptr;
    std::chrono::milliseconds timeout{};
    Caller caller;
    bool admitted = false; // by the method's guard
};
// `caller` is the connection's. Fails when there is no such call, or it is not for this caller.
[[nodiscard]] Result<Asked> read_request(const Methods& methods, const Caller& caller,
                                         const http::Headers& headers);

// How much and how long is waited for a caller.
struct Allowance {
    std::size_t message_bytes = limits::rpc_message_bytes;
    std::chrono::milliseconds patience{15'000}; // for its message, and for it to take the answer
};

class ServerCall final : public Channel {
  public:
    ServerCall(io::Executor executor, const Allowance& allowance, MessageMemory& memory);

    [[nodiscard]] std::chrono::milliseconds patience() const { return patience_; }

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

    std::chrono::milliseconds patience_;
    io::Signal changed_;
    bool responded_ = false, ended_ = false, handled_ = false;
};

// Runs the handler that was asked for, to the end of its stream. The methods outlive the task; a
// cancelled task still waits for its handler, which is cancelled with it.
[[nodiscard]] io::Task<void> run_call(Asked asked, std::shared_ptr<ServerCall> call);
// Until the stream of a call that was given its end() is over.
[[nodiscard]] io::Task<void> see_off(std::shared_ptr<ServerCall> call);

} // namespace hawser::rpc
