// A loop run by the test itself, step by step, until what it waits for has come. Every wait is
// bounded.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

#include "io/loop.h"
#include "io/task_group.h"

namespace hawser::test {

using namespace std::chrono_literals;

class TestLoop {
  public:
    ~TestLoop() { loop_.stop(); }

    [[nodiscard]] io::Executor executor() { return loop_.executor(); }
    [[nodiscard]] io::Loop& loop() { return loop_; }

    // false: it did not come true in time.
    [[nodiscard]] bool until(const std::function<bool()>& condition,
                             std::chrono::milliseconds timeout = 20s) {
        const auto deadline = std::chrono::steady_clock::now() + timeout;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            loop_.context().run_one_for(20ms);
        }
        return true;
    }
    // Everything that can happen now.
    void settle() {
        while (loop_.context().poll() > 0) {
        }
    }
    // Lets time pass.
    void pass(std::chrono::milliseconds time) {
        (void)until([] { return false; }, time);
    }
    // The result of a task; aborts the test program if it takes too long.
    template <typename T>
    T run(io::Task<T> task) {
        std::optional<T> result;
        io::TaskGroup group(executor());
        group.spawn(keep(std::move(task), result));
        if (!until([&] { return group.size() == 0; })) std::abort();
        return std::move(*result);
    }

  private:
    template <typename T>
    static io::Task<void> keep(io::Task<T> task, std::optional<T>& result) {
        result.emplace(co_await std::move(task));
    }

    io::Loop loop_{"test"};
};

} // namespace hawser::test
