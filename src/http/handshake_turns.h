// Shares a loop between handshakes and everything else that runs on it. A step of a handshake
// computes for a hundred times as long as it takes to pass on a piece of a stream, and after a
// restart of a neighbour hundreds come at once: in each turn of the loop they get a little time
// together, and streams have theirs in between. One for each loop, on its thread.
#pragma once

#include <asio/any_completion_handler.hpp>
#include <asio/execution_context.hpp>
#include <chrono>
#include <deque>

#include "io/loop.h"

namespace hawser::http {

class HandshakeTurns final : public asio::execution_context::service {
  public:
    // After this a step of a handshake may be taken, at once. First come, first served.
    [[nodiscard]] static io::Task<void> next(io::Executor executor);

    // None begins when those before it in the same turn have taken so long.
    static constexpr std::chrono::microseconds time_in_a_turn{250};

    // For Asio, which makes and ends it with the loop.
    using key_type = HandshakeTurns;
    static asio::execution_context::id id;
    explicit HandshakeTurns(asio::execution_context& context) : service(context) {}

  private:
    using Handler = asio::any_completion_handler<void()>;

    void shutdown() override { waiting_.clear(); }
    void wait(io::Executor executor, Handler handler);
    void run(io::Executor executor);

    std::deque<Handler> waiting_;
    bool posted_ = false; // run() is, or runs
};

} // namespace hawser::http
