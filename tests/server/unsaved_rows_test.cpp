#include "server/unsaved_rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace hawser;
using server::UnsavedRows;

namespace {

model::Change row(std::string key, std::uint64_t index) {
    return {.kind = model::Kind::service, .key = std::move(key), .index = index, .value = nullptr};
}

std::string told(const std::vector<model::Change>& rows) {
    std::string text;
    for (const model::Change& change : rows)
        text += change.key + std::to_string(change.index) + " ";
    return text;
}

} // namespace

TEST_CASE("unsaved rows: each row once, as it was last, in the order of its first change") {
    UnsavedRows rows;
    rows.put(row("b", 1));
    rows.put(row("a", 2));
    rows.put(row("b", 3));
    rows.put({.kind = model::Kind::node, .key = "b", .index = 4, .value = nullptr});
    CHECK(rows.size() == 3);
    CHECK(told(rows.take()) == "b3 a2 b4 ");
    CHECK(rows.size() == 0);
    CHECK(rows.take().empty());
}

TEST_CASE("unsaved rows: what comes back does not undo what changed since") {
    UnsavedRows rows;
    rows.put(row("a", 1));
    rows.put(row("b", 1));
    const std::vector<model::Change> failed = rows.take();
    rows.put(row("b", 2));
    rows.put_back(failed);
    CHECK(told(rows.take()) == "b2 a1 ");
}
