// Runs coroutines of a test on a loop of its own, within a bounded time.
#pragma once

#include <doctest/doctest.h>

#include <asio/co_spawn.hpp>
#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "io/loop.h"

namespace hawser::host::test {

class LoopRunner {
  public:
    [[nodiscard]] io::Executor executor() { return context_.get_executor(); }

    template <typename T>
    T run(io::Task<T> task, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
        context_.restart();
        if constexpr (std::is_void_v<T>) {
            bool done = false;
            asio::co_spawn(context_, std::move(task), [&](const std::exception_ptr& error) {
                done = !error;
                context_.stop();
            });
            context_.run_for(limit);
            REQUIRE_MESSAGE(done, "the task did not end in time");
        } else {
            std::optional<T> result;
            asio::co_spawn(context_, std::move(task),
                           [&](const std::exception_ptr& error, T value) {
                               if (!error) result.emplace(std::move(value));
                               context_.stop();
                           });
            context_.run_for(limit);
            REQUIRE_MESSAGE(result.has_value(), "the task did not end in time");
            return std::move(*result);
        }
    }

    // Lets the loop work until `condition` holds; false when that took too long.
    template <typename Condition>
    bool until(Condition condition, std::chrono::milliseconds limit = std::chrono::seconds(10)) {
        const auto end = std::chrono::steady_clock::now() + limit;
        auto work = asio::make_work_guard(context_);
        context_.restart();
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            context_.run_one_for(std::chrono::milliseconds(50));
        }
        return true;
    }

  private:
    asio::io_context context_{1};
};

} // namespace hawser::host::test
