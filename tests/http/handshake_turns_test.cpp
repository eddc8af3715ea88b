// Handshakes and other traffic take turns on a loop.
#include "http/handshake_turns.h"

#include <doctest/doctest.h>

#include <asio/post.hpp>
#include <memory>
#include <vector>

#include "http/test_loop.h"

using namespace hawser;
using namespace hawser::http;
using namespace hawser::test;

namespace {

using Clock = std::chrono::steady_clock;

struct Traffic {
    io::Executor executor;
    int turns = 0; // in which a stream had its time
    bool going = true;

    void go_on() {
        ++turns;
        if (going) asio::post(executor, [this] { go_on(); });
    }
};

// A step that takes longer than all of a turn's; notes how many turns the traffic has had.
io::Task<void> compute(Traffic& traffic, std::vector<int>& seen) {
    co_await HandshakeTurns::next(traffic.executor);
    const auto end = Clock::now() + HandshakeTurns::time_in_a_turn;
    while (Clock::now() < end) {
    }
    seen.push_back(traffic.turns);
}

} // namespace

TEST_CASE("between any two long steps of handshakes the loop's other work has its turn") {
    TestLoop loop;
    Traffic traffic{.executor = loop.executor()};
    std::vector<int> seen;
    io::TaskGroup handshakes(loop.executor());
    constexpr int count = 200;
    for (int i = 0; i < count; ++i) handshakes.spawn(compute(traffic, seen));
    traffic.go_on();
    REQUIRE(loop.until([&] { return handshakes.size() == 0; }));
    traffic.going = false;
    loop.settle();
    REQUIRE(seen.size() == count);
    for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i] > seen[i - 1]);
}

TEST_CASE("a loop that ends takes handshakes that wait for their turn with it") {
    auto gone = std::make_shared<bool>(false);
    std::weak_ptr<bool> alive;
    {
        io::Loop loop("test");
        struct Wait {
            static io::Task<void> forever(io::Executor executor, std::shared_ptr<bool> held) {
                co_await HandshakeTurns::next(executor);
                *held = true;
            }
        };
        alive = gone;
        io::spawn_self_owned(loop.executor(), Wait::forever(loop.executor(), std::move(gone)));
        loop.context().run_one(); // it waits now
        CHECK_FALSE(alive.expired());
    }
    CHECK(alive.expired());
}
