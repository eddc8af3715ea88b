// The stream's send buffer and the stream table, against simple models.
#include <doctest/doctest.h>

#include <deque>
#include <set>

#include "base/random.h"
#include "http/frame_budget.h"
#include "http/send_buffer.h"
#include "http/stream_table.h"
#include "http/test_connections.h"

namespace hawser::test {

using http::FrameBudget;
using http::SendBuffer;

TEST_CASE("a send buffer gives out what was put in, in order") {
    Random random(7);
    SendBuffer buffer;
    std::deque<std::uint8_t> model;
    for (int i = 0; i < 3000; ++i) {
        const std::size_t length = random.below(40'000);
        if (random.below(2) == 0) {
            const std::string bytes = pattern(length, static_cast<std::uint32_t>(i));
            if (random.below(2) == 0) {
                buffer.append(as_bytes(bytes));
                model.insert(model.end(), bytes.begin(), bytes.end());
            } else if (length > 0) {
                const auto room = buffer.room(length);
                REQUIRE_FALSE(room.empty());
                const std::size_t used = random.below(room.size() + 1);
                std::copy_n(bytes.begin(), used, room.begin());
                buffer.commit(used);
                model.insert(model.end(), bytes.begin(),
                             bytes.begin() + static_cast<std::ptrdiff_t>(used));
            }
        } else {
            const std::size_t count = std::min(length, model.size());
            std::vector<std::uint8_t> out(count);
            buffer.take(count, out.data());
            REQUIRE((std::equal(out.begin(), out.end(), model.begin())));
            model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(count));
        }
        REQUIRE(buffer.size() == model.size());
    }
    buffer.clear();
    CHECK(buffer.size() == 0);
}

TEST_CASE("a stream table finds what it holds") {
    struct Item {
        std::int32_t id = 0;
    };
    Random random(3);
    http::StreamTable<Item> table;
    std::set<std::int32_t> model;
    std::int32_t next = 1;
    for (int i = 0; i < 20'000; ++i) {
        if (model.empty() || random.below(2) == 0) {
            next += 2 * static_cast<std::int32_t>(1 + random.below(9));
            CHECK(table.insert(next).id == next);
            model.insert(next);
        } else {
            auto victim = model.begin();
            std::advance(victim, random.below(std::min<std::size_t>(model.size(), 20)));
            REQUIRE(table.remove(*victim)->id == *victim);
            model.erase(victim);
        }
        REQUIRE(table.size() == model.size());
        const auto probe =
            static_cast<std::int32_t>(1 + random.below(static_cast<std::uint64_t>(next)));
        REQUIRE((table.find(probe) != nullptr) == model.contains(probe));
        REQUIRE((table.remove(next + 1) == nullptr));
    }
    CHECK(table.ids().size() == model.size());
    for (const std::int32_t id : model) CHECK(table.find(id)->id == id);
}

TEST_CASE("a frame budget runs out, and comes back with time and with work") {
    FrameBudget budget;
    const FrameBudget::Time start = FrameBudget::Time{} + std::chrono::hours(1);
    REQUIRE(budget.spend(start, FrameBudget::burst)); // may refill once from "never"
    while (budget.spend(start)) {
    }
    CHECK_FALSE(budget.spend(start));
    FrameBudget later;
    REQUIRE(later.spend(start, FrameBudget::burst));
    while (later.spend(start, 1)) {
    }
    CHECK(later.spend(start + 1s, FrameBudget::per_second / 2));
    FrameBudget worker;
    for (int i = 0; i < 100'000; ++i) {
        worker.earn(2);
        REQUIRE(worker.spend(start));
    }
}

} // namespace hawser::test
