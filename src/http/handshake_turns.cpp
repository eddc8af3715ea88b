#include "http/handshake_turns.h"

#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <utility>

namespace hawser::http {

asio::execution_context::id HandshakeTurns::id;

io::Task<void> HandshakeTurns::next(io::Executor executor) {
    constexpr asio::use_awaitable_t<io::Executor> use_awaitable{};
    auto& turns = asio::use_service<HandshakeTurns>(executor.context());
    co_await asio::async_initiate<const asio::use_awaitable_t<io::Executor>, void()>(
        [&turns, executor](auto handler) { turns.wait(executor, std::move(handler)); },
        use_awaitable);
}

void HandshakeTurns::wait(io::Executor executor, Handler handler) {
    waiting_.push_back(std::move(handler));
    if (std::exchange(posted_, true)) return;
    asio::post(executor, [this, executor] { run(executor); });
}

void HandshakeTurns::run(io::Executor executor) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + time_in_a_turn;
    do {
        Handler next = std::move(waiting_.front());
        waiting_.pop_front();
        std::move(next)();
    } while (!waiting_.empty() && Clock::now() < end);
    posted_ = !waiting_.empty();
    // Behind what the loop finds to be ready by then.
    if (posted_) asio::post(executor, [this, executor] { run(executor); });
}

} // namespace hawser::http
