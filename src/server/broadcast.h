// Wakes every coroutine that waits, on one loop. A waiter checks its condition, waits, and checks
// again: a broadcast says "something changed", not what.
#pragma once

#include <asio/as_tuple.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>
#include <list>

#include "io/loop.h"

namespace hawser::server {

class Broadcast {
  public:
    using Deadline = std::chrono::steady_clock::time_point;

    explicit Broadcast(io::Executor executor) : executor_(executor) {}

    void notify_all() {
        for (Waiter* waiter : waiters_) {
            waiter->notified = true;
            waiter->timer.cancel();
        }
    }

    // false: the deadline passed first, or the task was cancelled.
    [[nodiscard]] io::Task<bool> wait_until(Deadline deadline) {
        Waiter waiter{.timer = io::Timer(executor_, deadline)};
        const Registration registration(waiters_, waiter);
        (void)co_await waiter.timer.async_wait(
            asio::as_tuple(asio::use_awaitable_t<io::Executor>{}));
        co_return waiter.notified;
    }

  private:
    struct Waiter {
        io::Timer timer;
        bool notified = false;
    };
    using Waiters = std::list<Waiter*>;

    // Taken out again however the wait ends.
    class Registration {
      public:
        Registration(Waiters& waiters, Waiter& waiter)
            : waiters_(waiters), place_(waiters.insert(waiters.end(), &waiter)) {}
        Registration(const Registration&) = delete;
        Registration& operator=(const Registration&) = delete;
        ~Registration() { waiters_.erase(place_); }

      private:
        Waiters& waiters_;
        Waiters::iterator place_;
    };

    io::Executor executor_;
    Waiters waiters_;
};

} // namespace hawser::server
