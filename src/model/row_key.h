// What names a row: its kind and its key. For tables of many rows that nobody reads in order: long
// keys with a common beginning are dear to compare.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "model/row.h"

namespace hawser::model {

struct RowKeyView {
    Kind kind{};
    std::string_view key;
    bool operator==(const RowKeyView&) const = default;
};

struct RowKey {
    Kind kind{};
    std::string key;
    operator RowKeyView() const { return {.kind = kind, .key = key}; }
};

// Both are looked up in the same table.
struct RowKeyHash {
    using is_transparent = void;
    std::size_t operator()(RowKeyView row) const {
        return std::hash<std::string_view>()(row.key) ^ static_cast<std::size_t>(row.kind);
    }
};
struct RowKeyEqual {
    using is_transparent = void;
    bool operator()(RowKeyView a, RowKeyView b) const { return a == b; }
};

} // namespace hawser::model
