#include "io/task_group.h"

#include <doctest/doctest.h>

#include "http/test_loop.h"
#include "io/signal.h"
#include "io/socket.h"

namespace hawser::io {
namespace {

using namespace std::chrono_literals;

Task<void> count_one(int& count) {
    ++count;
    co_return;
}

// Notes whether it got past its long sleep, and whether it was unwound.
struct Unwound {
    bool& flag;
    ~Unwound() { flag = true; }
};
Task<void> sleep_long(bool& woke, bool& unwound) {
    const Unwound guard{unwound};
    woke = co_await sleep(1h);
    co_await sleep(1h); // a cancelled task's next wait ends it
    woke = true;
}

Task<void> join_and_count(TaskGroup& group, int& joined) {
    co_await group.join();
    ++joined;
}

TEST_CASE("spawned tasks run, and the group is empty after them") {
    hawser::test::TestLoop test;
    TaskGroup group(test.executor());
    int count = 0;
    for (int i = 0; i < 100; ++i) CHECK(group.spawn(count_one(count)));
    REQUIRE(test.until([&] { return group.size() == 0; }));
    CHECK(count == 100);
}

TEST_CASE("cancel ends waits, unwinds tasks and starts no new ones") {
    hawser::test::TestLoop test;
    TaskGroup group(test.executor());
    bool woke = true, unwound = false;
    group.spawn(sleep_long(woke, unwound));
    test.settle();
    CHECK_FALSE(group.cancelled());
    group.cancel();
    CHECK(group.cancelled());
    int count = 0;
    CHECK_FALSE(group.spawn(count_one(count)));
    REQUIRE(test.until([&] { return group.size() == 0; }));
    CHECK_FALSE(woke);
    CHECK(unwound);
    CHECK(count == 0);
}

TEST_CASE("a task that was cancelled before it began does not wait") {
    hawser::test::TestLoop test;
    TaskGroup group(test.executor());
    bool woke = false, unwound = false;
    group.spawn(sleep_long(woke, unwound));
    group.cancel();
    REQUIRE(test.until([&] { return group.size() == 0; }));
    CHECK_FALSE(woke);
}

TEST_CASE("join returns at once from an empty group, else when the last task ended, to each") {
    hawser::test::TestLoop test;
    TaskGroup group(test.executor()), joiners(test.executor());
    int joined = 0;
    joiners.spawn(join_and_count(group, joined));
    REQUIRE(test.until([&] { return joined == 1; }));

    bool woke = false, unwound = false;
    group.spawn(sleep_long(woke, unwound));
    for (int i = 0; i < 3; ++i) joiners.spawn(join_and_count(group, joined));
    test.settle();
    CHECK(joined == 1);
    group.cancel();
    REQUIRE(test.until([&] { return joined == 4; }));
    CHECK(group.size() == 0);
}

TEST_CASE("sleep tells whether it slept") {
    hawser::test::TestLoop test;
    CHECK(test.run(sleep(1ms)));
}

} // namespace
} // namespace hawser::io
