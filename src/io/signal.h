// Wakes one waiting coroutine of the same loop. A notify() before the wait is remembered.
#pragma once

#include <asio/as_tuple.hpp>
#include <asio/use_awaitable.hpp>

#include "io/loop.h"

namespace hawser::io {

class Signal {
  public:
    explicit Signal(Executor executor) : timer_(executor, Timer::time_point::max()) {}

    void notify() {
        notified_ = true;
        timer_.cancel();
    }
    // Returns when notified since the last wait. One waiter at a time.
    [[nodiscard]] Task<void> wait() {
        while (!notified_)
            co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable_t<Executor>{}));
        notified_ = false;
    }
    // false: the time ran out first.
    [[nodiscard]] Task<bool> wait_for(std::chrono::milliseconds timeout) {
        if (!notified_) {
            timer_.expires_after(timeout);
            co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable_t<Executor>{}));
            timer_.expires_at(Timer::time_point::max());
        }
        co_return std::exchange(notified_, false);
    }

  private:
    Timer timer_;
    bool notified_ = false;
};

} // namespace hawser::io
