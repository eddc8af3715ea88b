// Runs coroutines to their end on a loop of the test's own, bounded in time. Whatever else was
// spawned on the loop makes progress meanwhile.
#pragma once

#include <doctest/doctest.h>

#include <asio/co_spawn.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

#include "io/loop.h"

namespace hawser::server::test {

inline constexpr std::chrono::seconds patience{20};

class LoopRunner {
  public:
    template <typename T>
    T run(io::Task<T> task) {
        std::optional<T> result;
        asio::co_spawn(loop_.executor(), std::move(task),
                       [&result](const std::exception_ptr& error, T value) {
                           if (error) std::rethrow_exception(error);
                           result.emplace(std::move(value));
                       });
        until([&result] { return result.has_value(); });
        return std::move(*result);
    }
    void run(io::Task<void> task) {
        bool done = false;
        asio::co_spawn(loop_.executor(), std::move(task), [&done](const std::exception_ptr& error) {
            if (error) std::rethrow_exception(error);
            done = true;
        });
        until([&done] { return done; });
    }
    void until(const std::function<bool()>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!holds()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            loop_.context().run_one_for(std::chrono::milliseconds(100));
        }
    }
    [[nodiscard]] io::Loop& loop() { return loop_; }
    [[nodiscard]] io::Executor executor() { return loop_.executor(); }

  private:
    io::Loop loop_{"test"};
};

} // namespace hawser::server::test
