// Decodes a table of a configuration file: each key is asked for once, in one line that says its
// type, its bounds and where it goes. What was asked for is what is known: finish() reports every
// other key, with the nearest known one. All problems of a file are collected, none ends the
// reading.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/units.h"
#include "config/toml_reader.h"

namespace hawser::config {

class Problems {
  public:
    void add(Place place, std::string message);
    void add(std::vector<Problem> problems);
    [[nodiscard]] bool empty() const { return problems_.empty(); }
    // "NAME:LINE:COLUMN: message" per line, in the order of the file, bounded.
    [[nodiscard]] Error to_error(std::string_view name) const;

  private:
    std::vector<Problem> problems_;
    std::size_t left_out_ = 0;
};

// A rule for one text, as model's checks are.
using TextRule = std::function<Result<void>(const std::string&)>;

template <typename E>
struct Choices {
    std::vector<std::pair<std::string_view, E>> values;
    std::vector<std::string_view> not_yet = {}; // words that a later version brings
};

class Table {
  public:
    // `path` stands before the keys in messages: "timeouts." for an inline table, or "".
    Table(const Value& value, Problems& problems, std::string path = {})
        : value_(value), problems_(problems), path_(std::move(path)) {}

    void text(std::string_view key, std::string& to, const TextRule& rule = nullptr);
    void text(std::string_view key, std::optional<std::string>& to, const TextRule& rule = nullptr);
    void texts(std::string_view key, std::vector<std::string>& to, std::size_t most,
               const TextRule& rule = nullptr);
    void boolean(std::string_view key, bool& to);
    void duration(std::string_view key, Duration& to, Duration least, Duration most);
    void endpoint(std::string_view key, Endpoint& to);
    void endpoint(std::string_view key, std::optional<Endpoint>& to);
    void endpoints(std::string_view key, std::vector<Endpoint>& to, std::size_t most);
    void address(std::string_view key, IpAddress& to);
    void prefix(std::string_view key, Cidr& to);
    void labels(std::string_view key, std::map<std::string, std::string>& to);

    template <std::integral Integer>
    void integer(std::string_view key, Integer& to, Integer least, Integer most) {
        if (const auto number = integer_between(key, static_cast<std::int64_t>(least),
                                                static_cast<std::int64_t>(most))) {
            to = static_cast<Integer>(*number);
        }
    }

    template <typename E>
    void choice(std::string_view key, E& to, const Choices<E>& choices) {
        std::vector<std::string_view> words;
        for (const auto& [word, value] : choices.values) words.push_back(word);
        if (const auto index = word_of(key, words, choices.not_yet)) {
            to = choices.values[*index].second;
        }
    }

    // A table, or each table of a list of tables ([[key]], or key = [ { … } ]).
    void table(std::string_view key, const std::function<void(Table&)>& read);
    void tables(std::string_view key, std::size_t most, const std::function<void(Table&)>& read);

    // A key that is known, but that only a later version can carry out.
    void not_yet(std::string_view key);
    // 'key' is missing, unless it is there.
    void require(std::string_view key);
    // Something that one of several keys would say is not there: told by finish(), unless an
    // unknown key, most likely the misspelt one, explains it.
    void missing(std::string message) { missing_ = std::move(message); }
    // Asked for, with any type.
    [[nodiscard]] const Value* find(std::string_view key);
    void problem(Place place, std::string message) { problems_.add(place, std::move(message)); }
    // At the key's value, or at the table if it is not there.
    void problem(std::string_view key, const std::string& message);

    [[nodiscard]] Place place() const { return value_.place; }
    [[nodiscard]] Place place_of(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return value_.find(key) != nullptr; }
    [[nodiscard]] const std::vector<std::string_view>& known() const { return known_; }

    // Reports what was not asked for. Called last; a second call does nothing.
    void finish();

  private:
    [[nodiscard]] std::string shown(std::string_view key) const;
    // The value if it is there and of the type; a problem otherwise. `wanted`: "an integer".
    const Value* find_typed(std::string_view key, ValueType type, std::string_view wanted);
    const Value* find_text(std::string_view key, std::string_view wanted = "a string");
    std::optional<std::int64_t> integer_between(std::string_view key, std::int64_t least,
                                                std::int64_t most);
    std::optional<std::size_t> word_of(std::string_view key,
                                       const std::vector<std::string_view>& words,
                                       const std::vector<std::string_view>& later);
    // Each text of a list, with its place.
    void each_text(std::string_view key, std::size_t most,
                   const std::function<void(const Value&)>& take);
    template <typename T>
    void parsed(const Value* value, std::string_view key, T& to);

    const Value& value_;
    Problems& problems_;
    std::string path_;
    std::vector<std::string_view> known_;
    std::string missing_;
    bool finished_ = false;
};

} // namespace hawser::config
