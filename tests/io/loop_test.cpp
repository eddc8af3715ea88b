#include "io/loop.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <future>
#include <string>
#include <thread>

#include "http/test_loop.h"
#include "io/signal.h"

namespace hawser::io {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a loop runs what is posted on a thread of its own, with its name") {
    Loop loop("hawser-test-loop-with-a-long-name");
    loop.start();
    std::promise<std::pair<std::thread::id, std::string>> ran;
    loop.post([&] {
        char name[32] = {};
        ::pthread_getname_np(::pthread_self(), name, sizeof name);
        ran.set_value({std::this_thread::get_id(), name});
    });
    auto future = ran.get_future();
    REQUIRE(future.wait_for(10s) == std::future_status::ready);
    const auto [thread, name] = future.get();
    CHECK(thread != std::this_thread::get_id());
    CHECK(name == "hawser-test-loo");
    loop.stop();
    loop.join();
}

TEST_CASE("stop() from another thread ends run(); a loop without work keeps running until then") {
    Loop loop("test");
    std::promise<void> started;
    loop.post([&] { started.set_value(); });
    std::thread stopper([&] {
        started.get_future().wait();
        loop.stop();
    });
    loop.run();
    stopper.join();
}

TEST_CASE("what a stopped loop did not run is destroyed with it") {
    auto held = std::make_shared<int>(1);
    {
        Loop loop("test");
        loop.post([held] {});
        loop.stop();
    }
    CHECK(held.use_count() == 1);
}

Task<void> count_wakes(Signal& signal, int& count) {
    while (true) {
        co_await signal.wait();
        ++count;
    }
}

TEST_CASE("a signal wakes its waiter; several before the wait count as one") {
    hawser::test::TestLoop test;
    Signal signal(test.executor());
    int count = 0;
    signal.notify();
    signal.notify();
    TaskGroup tasks(test.executor());
    tasks.spawn(count_wakes(signal, count));
    REQUIRE(test.until([&] { return count == 1; }));
    test.settle();
    CHECK(count == 1);
    signal.notify();
    REQUIRE(test.until([&] { return count == 2; }));
    tasks.cancel();
    REQUIRE(test.until([&] { return tasks.size() == 0; }));
    CHECK(count == 2);
}

TEST_CASE("wait_for tells a notification from the end of patience") {
    hawser::test::TestLoop test;
    Signal signal(test.executor());
    CHECK_FALSE(test.run(signal.wait_for(1ms)));
    signal.notify();
    CHECK(test.run(signal.wait_for(10s)));
    CHECK_FALSE(test.run(signal.wait_for(0ms)));
    test.loop().post([&] { signal.notify(); });
    CHECK(test.run(signal.wait_for(10s)));
}

} // namespace
} // namespace hawser::io
