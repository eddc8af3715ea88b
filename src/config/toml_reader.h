// TOML text as a tree of values that know where they stood. The only place that sees toml++.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace hawser::config {

struct Place {
    std::uint32_t line = 1;
    std::uint32_t column = 1; // in characters
    auto operator<=>(const Place&) const = default;
};

enum class ValueType : std::uint8_t { text, integer, real, boolean, date, list, table };

struct Value {
    struct Entry;

    ValueType type = ValueType::table;
    Place place;
    std::string text;
    std::int64_t integer = 0;
    bool boolean = false;
    std::vector<Value> items;   // of a list
    std::vector<Entry> entries; // of a table, in the order of the keys' names

    [[nodiscard]] const Entry* find(std::string_view key) const;
};

struct Value::Entry {
    std::string key;
    Place place; // of the key
    Value value;
};

struct Problem {
    Place place;
    std::string message;
};

// The root table. One problem at most: TOML has no way to go on after a syntax error. Bounded:
// limits::config_file_bytes, and a depth that no recursion over the tree can overflow.
struct ParsedToml {
    Value root;
    std::vector<Problem> problems;
};
[[nodiscard]] ParsedToml parse_toml(std::string_view text);

} // namespace hawser::config
