#include "tls/buffers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "base/bytes.h"

using namespace hawser;
using namespace hawser::tls;

namespace {

void add(LinearBuffer& buffer, std::string_view text) {
    const auto room = buffer.prepare(text.size());
    REQUIRE(room.size() >= text.size());
    std::ranges::copy(as_bytes(text), room.begin());
    buffer.commit(text.size());
}

} // namespace

TEST_CASE("bytes come out as they went in, through moves and growth") {
    LinearBuffer buffer(1 << 20);
    std::string expected;
    std::uint32_t seed = 7;
    for (int step = 0; step < 2000; ++step) {
        seed = seed * 1664525 + 1013904223;
        const std::size_t count = (seed >> 8) % 3000;
        if ((seed & 1) != 0 && expected.size() + count < (1 << 20)) {
            const std::string text(count, static_cast<char>('a' + step % 26));
            add(buffer, text);
            expected += text;
        } else {
            const std::size_t taken = std::min(count, expected.size());
            REQUIRE(as_text(buffer.view()).substr(0, taken) == expected.substr(0, taken));
            buffer.consume(taken);
            expected.erase(0, taken);
        }
        REQUIRE(buffer.size() == expected.size());
    }
    CHECK(as_text(buffer.view()) == expected);
}

TEST_CASE("room ends at the bound") {
    LinearBuffer buffer(block_bytes);
    CHECK(buffer.prepare(1).size() == block_bytes);
    add(buffer, std::string(block_bytes - 10, 'x'));
    CHECK(buffer.prepare(100).size() == 10);
    CHECK(buffer.available() == 10);
    buffer.consume(50);
    CHECK(buffer.prepare(60).size() == 60);
    buffer.truncate(5);
    CHECK(buffer.size() == 5);
    buffer.truncate(6);
    CHECK(buffer.size() == 5);
    buffer.truncate(0);
    CHECK(buffer.empty());
}

TEST_CASE("an empty buffer holds no memory; the next one gets the same") {
    LinearBuffer first(block_bytes), second(block_bytes);
    add(first, "x");
    const std::uint8_t* memory = first.view().data();
    first.consume(1);
    add(second, "y");
    CHECK(second.view().data() == memory);
    // Room that nothing came for is given back.
    second.consume(1);
    CHECK_FALSE(first.prepare(10).empty());
    first.commit(0);
    add(second, "z");
    CHECK(second.view().data() == memory);
}

TEST_CASE("buffers may move between threads and outlive them") {
    auto buffer = std::make_unique<LinearBuffer>(block_bytes);
    std::thread([&] { add(*buffer, "made there"); }).join();
    CHECK(as_text(buffer->view()) == "made there");
    buffer->consume(buffer->size());
    CHECK(buffer->empty());
}
