#include "config/decoder.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/nearest.h"
#include "model/validation.h"

namespace hawser::config {

namespace {

constexpr std::size_t most_problems = 20; // a file that is wrong throughout needs no more

std::string_view name_of(ValueType type) {
    switch (type) {
        case ValueType::text: return "a string";
        case ValueType::integer: return "an integer";
        case ValueType::real: return "a number with a fraction";
        case ValueType::boolean: return "a boolean";
        case ValueType::date: return "a date or time";
        case ValueType::list: return "a list";
        case ValueType::table: return "a table";
    }
    return "a value";
}

std::string_view plural_of(ValueType type) {
    switch (type) {
        case ValueType::text: return "strings";
        case ValueType::integer: return "integers";
        case ValueType::real: return "numbers with fractions";
        case ValueType::boolean: return "booleans";
        case ValueType::date: return "dates or times";
        case ValueType::list: return "lists";
        case ValueType::table: return "tables";
    }
    return "values";
}

std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
    const std::string_view near = nearest(word, known);
    return near.empty() ? std::string() : std::format("; did you mean '{}'?", near);
}

std::string joined(const std::vector<std::string_view>& words) {
    std::string text;
    for (const std::string_view word : words) {
        text += std::format("{}\"{}\"", text.empty() ? "" : ", ", word);
    }
    return text;
}

} // namespace

void Problems::add(Place place, std::string message) {
    if (problems_.size() >= most_problems) {
        ++left_out_;
        return;
    }
    problems_.push_back({.place = place, .message = std::move(message)});
}

void Problems::add(std::vector<Problem> problems) {
    for (Problem& problem : problems) add(problem.place, std::move(problem.message));
}

Error Problems::to_error(std::string_view name) const {
    std::vector<Problem> sorted = problems_;
    std::ranges::stable_sort(sorted, {}, &Problem::place);
    std::string text;
    for (const Problem& problem : sorted) {
        text += std::format("{}{}:{}:{}: {}", text.empty() ? "" : "\n", name, problem.place.line,
                            problem.place.column, problem.message);
    }
    if (left_out_ > 0) text += std::format("\n{}: and {} more errors", name, left_out_);
    return {.code = ErrorCode::invalid, .message = std::move(text)};
}

std::string Table::shown(std::string_view key) const {
    return quote(path_ + std::string(key));
}

const Value* Table::find(std::string_view key) {
    known_.push_back(key);
    const Value::Entry* entry = value_.find(key);
    return entry == nullptr ? nullptr : &entry->value;
}

Place Table::place_of(std::string_view key) const {
    const Value::Entry* entry = value_.find(key);
    return entry == nullptr ? value_.place : entry->value.place;
}

void Table::problem(std::string_view key, const std::string& message) {
    problems_.add(place_of(key), shown(key) + " " + message);
}

const Value* Table::find_typed(std::string_view key, ValueType type, std::string_view wanted) {
    const Value* value = find(key);
    if (value == nullptr || value->type == type) return value;
    problem(key, std::format("must be {}, not {}", wanted, name_of(value->type)));
    return nullptr;
}

const Value* Table::find_text(std::string_view key, std::string_view wanted) {
    const Value* value = find_typed(key, ValueType::text, wanted);
    if (value != nullptr && value->text.contains('\0')) {
        problem(key, "holds a NUL character");
        return nullptr;
    }
    return value;
}

void Table::text(std::string_view key, std::string& to, const TextRule& rule) {
    const Value* value = find_text(key);
    if (value == nullptr) return;
    if (value->text.empty()) return problem(key, "is empty");
    if (rule) {
        if (const Result<void> checked = rule(value->text); !checked) {
            return problems_.add(value->place, checked.error().message);
        }
    }
    to = value->text;
}

void Table::text(std::string_view key, std::optional<std::string>& to, const TextRule& rule) {
    std::string value;
    text(key, value, rule);
    if (!value.empty()) to = std::move(value);
}

void Table::each_text(std::string_view key, std::size_t most,
                      const std::function<void(const Value&)>& take) {
    const Value* list = find_typed(key, ValueType::list, "a list of strings");
    if (list == nullptr) return;
    if (list->items.size() > most) {
        return problem(key, std::format("has more than {} entries", most));
    }
    for (const Value& item : list->items) {
        if (item.type != ValueType::text) {
            problems_.add(item.place, std::format("{} must be a list of strings, not of {}",
                                                  shown(key), plural_of(item.type)));
        } else if (item.text.empty() || item.text.contains('\0')) {
            problems_.add(item.place, shown(key) + (item.text.empty() ? " holds an empty string"
                                                                      : " holds a NUL character"));
        } else {
            take(item);
        }
    }
}

void Table::texts(std::string_view key, std::vector<std::string>& to, std::size_t most,
                  const TextRule& rule) {
    each_text(key, most, [&](const Value& item) {
        if (rule) {
            if (const Result<void> checked = rule(item.text); !checked) {
                return problems_.add(item.place, checked.error().message);
            }
        }
        to.push_back(item.text);
    });
}

void Table::boolean(std::string_view key, bool& to) {
    if (const Value* value = find_typed(key, ValueType::boolean, "true or false")) {
        to = value->boolean;
    }
}

void Table::duration(std::string_view key, Duration& to, Duration least, Duration most) {
    const Value* value = find_text(key, "a duration like \"10s\"");
    if (value == nullptr) return;
    const Result<Duration> duration = parse_duration(value->text);
    if (!duration) {
        return problems_.add(value->place, shown(key) + ": " + duration.error().message);
    }
    if (*duration < least || *duration > most) {
        return problem(key, std::format("must be between {} and {}, not {}", format_duration(least),
                                        format_duration(most), format_duration(*duration)));
    }
    to = *duration;
}

template <typename T>
void Table::parsed(const Value* value, std::string_view key, T& to) {
    if (value == nullptr) return;
    const Result<T> result = T::parse(value->text);
    if (!result) return problems_.add(value->place, shown(key) + ": " + result.error().message);
    to = *result;
}

void Table::endpoint(std::string_view key, Endpoint& to) {
    parsed(find_text(key, "a string like \"10.0.0.1:7443\""), key, to);
}

void Table::endpoint(std::string_view key, std::optional<Endpoint>& to) {
    Endpoint value;
    endpoint(key, value);
    if (value != Endpoint{}) to = value;
}

void Table::endpoints(std::string_view key, std::vector<Endpoint>& to, std::size_t most) {
    each_text(key, most, [&](const Value& item) {
        const Result<Endpoint> result = Endpoint::parse(item.text);
        if (!result) {
            return problems_.add(item.place, shown(key) + ": " + result.error().message);
        }
        if (std::ranges::contains(to, *result)) {
            return problems_.add(item.place,
                                 std::format("{} lists {} twice", shown(key), quote(item.text)));
        }
        to.push_back(*result);
    });
}

void Table::address(std::string_view key, IpAddress& to) {
    parsed(find_text(key, "a string like \"127.0.0.1\""), key, to);
}

void Table::prefix(std::string_view key, Cidr& to) {
    parsed(find_text(key, "a string like \"240.0.0.0/8\""), key, to);
}

void Table::labels(std::string_view key, std::map<std::string, std::string>& to) {
    const Value* table = find_typed(key, ValueType::table, "a table of strings");
    if (table == nullptr) return;
    if (table->entries.size() > limits::labels_per_instance) {
        return problem(key, std::format("has more than {} entries", limits::labels_per_instance));
    }
    for (const auto& [name, place, value] : table->entries) {
        if (value.type != ValueType::text) {
            problems_.add(value.place,
                          std::format("{} must be a string, not {}",
                                      shown(std::string(key) + "." + name), name_of(value.type)));
        } else if (const Result<void> checked = model::check_label(name, value.text); !checked) {
            problems_.add(place, checked.error().message);
        } else {
            to.emplace(name, value.text);
        }
    }
}

std::optional<std::int64_t> Table::integer_between(std::string_view key, std::int64_t least,
                                                   std::int64_t most) {
    const Value* value = find_typed(key, ValueType::integer, "an integer");
    if (value == nullptr) return std::nullopt;
    if (value->integer < least || value->integer > most) {
        problem(key, std::format("must be between {} and {}, not {}", least, most, value->integer));
        return std::nullopt;
    }
    return value->integer;
}

std::optional<std::size_t> Table::word_of(std::string_view key,
                                          const std::vector<std::string_view>& words,
                                          const std::vector<std::string_view>& later) {
    const Value* value = find_text(key);
    if (value == nullptr) return std::nullopt;
    if (const auto found = std::ranges::find(words, value->text); found != words.end()) {
        return static_cast<std::size_t>(found - words.begin());
    }
    if (std::ranges::contains(later, std::string_view(value->text))) {
        problem(key, std::format("= {} is not supported by this version", quote(value->text)));
    } else {
        problem(key, std::format("must be one of {}, not {}{}", joined(words), quote(value->text),
                                 suggestion(value->text, words)));
    }
    return std::nullopt;
}

void Table::table(std::string_view key, const std::function<void(Table&)>& read) {
    const Value* value = find_typed(key, ValueType::table, "a table");
    if (value == nullptr) return;
    Table inner(*value, problems_, path_ + std::string(key) + ".");
    read(inner);
    inner.finish();
}

void Table::tables(std::string_view key, std::size_t most,
                   const std::function<void(Table&)>& read) {
    const Value* list = find_typed(key, ValueType::list, "a list of tables");
    if (list == nullptr) return;
    if (list->items.size() > most) {
        return problem(key, std::format("has more than {} entries", most));
    }
    for (const Value& item : list->items) {
        if (item.type != ValueType::table) {
            problems_.add(item.place, std::format("{} must be a list of tables, not of {}",
                                                  shown(key), plural_of(item.type)));
            continue;
        }
        Table inner(item, problems_);
        read(inner);
        inner.finish();
    }
}

void Table::not_yet(std::string_view key) {
    known_.push_back(key);
    if (const Value::Entry* entry = value_.find(key)) {
        problems_.add(entry->place, shown(key) + " is not supported by this version");
    }
}

void Table::require(std::string_view key) {
    if (!has(key)) problems_.add(value_.place, shown(key) + " is missing");
}

void Table::finish() {
    if (std::exchange(finished_, true)) return;
    bool unknown = false;
    for (const auto& [key, place, value] : value_.entries) {
        if (std::ranges::contains(known_, std::string_view(key))) continue;
        problems_.add(place, "unknown key " + shown(key) + suggestion(key, known_));
        unknown = true;
    }
    if (!unknown && !missing_.empty()) problems_.add(value_.place, missing_);
}

} // namespace hawser::config
