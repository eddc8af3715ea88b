#include "config/toml_reader.h"

#include <exception>

namespace hawser::config {

// Some malformed texts ("[," at the time of writing) break an assertion of toml++ where it should
// report an error. An assertion is therefore an exception here, and means a syntax error too.
struct BrokenAssertion : std::exception {};

} // namespace hawser::config

#undef NDEBUG // it would turn the assertions into assumptions
#define TOML_ASSERT(expression) \
    ((expression) ? static_cast<void>(0) : throw ::hawser::config::BrokenAssertion())
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.hpp>

#include <algorithm>
#include <format>
#include <optional>

#include "base/bytes.h"
#include "base/limits.h"

namespace hawser::config {

namespace {

constexpr int deepest_key = 16;   // dots in one key
constexpr int deepest_value = 32; // tables and lists in each other

Place to_place(const toml::source_position& position) {
    return {.line = position.line, .column = position.column};
}

// The place of a byte, for what is found before the parser runs.
Place place_of(std::string_view text, std::size_t offset) {
    Place place;
    for (std::size_t at = 0; at < offset;) {
        const std::size_t length = std::max<std::size_t>(utf8_sequence_length(text.substr(at)), 1);
        if (text[at] == '\n') {
            ++place.line;
            place.column = 1;
        } else {
            ++place.column;
        }
        at += length;
    }
    return place;
}

// What must be refused before the library sees it. Walks over the text outside strings and
// comments and finds the first
// - key with too many dots: each becomes a table, and tables in tables are destroyed by recursion;
// - character that is not ASCII: TOML has none there, and the library's own test for them runs
//   into undefined behaviour.
class Scan {
  public:
    explicit Scan(std::string_view text) : text_(text) {
        if (text_.starts_with(byte_order_mark)) at_ = byte_order_mark.size();
    }

    // "" if there is nothing of the sort; otherwise at() is where.
    std::string find() {
        int dots = 0;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '#') {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (c == '"' || c == '\'') {
                skip_string(c);
            } else if (static_cast<unsigned char>(c) >= 0x80) {
                return "syntax error: only strings and comments may hold this character";
            } else {
                const bool boundary = c == '\n' || c == '=' || c == ',' || c == '{' || c == '[';
                dots = boundary ? 0 : dots + (c == '.' ? 1 : 0);
                if (dots > deepest_key)
                    return std::format("a key of more than {} parts", deepest_key);
                ++at_;
            }
        }
        return "";
    }
    [[nodiscard]] std::size_t at() const { return at_; }

  private:
    static constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

    void skip_string(char mark) {
        const std::string triple(3, mark);
        const bool many_lines = text_.substr(at_).starts_with(triple);
        at_ += many_lines ? 3 : 1;
        while (at_ < text_.size()) {
            if (text_[at_] == '\\' && mark == '"') {
                at_ += 2;
            } else if (many_lines && text_.substr(at_).starts_with(triple)) {
                at_ += 3;
                // Up to two quotes before the closing three belong to the string.
                for (int i = 0; i < 2 && at_ < text_.size() && text_[at_] == mark; ++i) ++at_;
                return;
            } else if (!many_lines && (text_[at_] == mark || text_[at_] == '\n')) {
                ++at_;
                return;
            } else {
                ++at_;
            }
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// Copies the library's tree into ours.
class Converter {
  public:
    explicit Converter(std::vector<Problem>& problems) : problems_(problems) {}

    Value convert(const toml::node& node, int depth = 0) {
        Value value;
        value.place = to_place(node.source().begin);
        if (depth > deepest_value) {
            if (problems_.empty()) problems_.push_back({value.place, "nested too deeply"});
            return value;
        }
        node.visit([&](const auto& each) { fill(value, each, depth); });
        return value;
    }

  private:
    void fill(Value& value, const toml::table& table, int depth) {
        value.type = ValueType::table;
        for (const auto& [key, inner] : table) {
            value.entries.push_back({.key = std::string(key.str()),
                                     .place = to_place(key.source().begin),
                                     .value = convert(inner, depth + 1)});
        }
    }
    void fill(Value& value, const toml::array& array, int depth) {
        value.type = ValueType::list;
        for (const toml::node& inner : array) value.items.push_back(convert(inner, depth + 1));
    }
    void fill(Value& value, const toml::value<std::string>& text, int) {
        value.type = ValueType::text;
        value.text = text.get();
    }
    void fill(Value& value, const toml::value<std::int64_t>& integer, int) {
        value.type = ValueType::integer;
        value.integer = integer.get();
    }
    void fill(Value& value, const toml::value<bool>& boolean, int) {
        value.type = ValueType::boolean;
        value.boolean = boolean.get();
    }
    void fill(Value& value, const toml::value<double>&, int) { value.type = ValueType::real; }
    template <typename T>
    void fill(Value& value, const toml::value<T>&, int) {
        value.type = ValueType::date;
    }

    std::vector<Problem>& problems_;
};

// "Error while parsing string: unknown escape sequence" → "unknown escape sequence".
std::string reason(std::string_view description) {
    const std::size_t colon = description.find(": ");
    if (description.starts_with("Error while parsing ") && colon != std::string_view::npos) {
        description.remove_prefix(colon + 2);
    }
    return printable(description, 300);
}

// Nothing when it parsed; the problem otherwise. `message` is empty for a broken assertion.
struct Attempt {
    std::optional<toml::table> table;
    Problem problem;
};

Attempt attempt(std::string_view text) {
    try {
        return {.table = toml::parse(text), .problem = {}};
    } catch (const toml::parse_error& error) {
        return {.table = std::nullopt,
                .problem = {.place = to_place(error.source().begin),
                            .message = "syntax error: " + reason(error.description())}};
    } catch (const std::exception&) {
        return {};
    }
}

// The line on which the parser stumbles over itself: the first whose text, with all before it,
// makes it do so.
Place find_stumble(std::string_view text) {
    std::vector<std::size_t> ends; // of the lines
    for (std::size_t at = 0; at < text.size(); at = ends.back()) {
        ends.push_back(std::min(text.find('\n', at), text.size() - 1) + 1);
    }
    const auto stumbles = [&](std::size_t end) {
        const Attempt made = attempt(text.substr(0, end));
        return !made.table && made.problem.message.empty();
    };
    const auto first =
        std::ranges::partition_point(ends, [&](std::size_t end) { return !stumbles(end); });
    return {.line = static_cast<std::uint32_t>(first - ends.begin()) + 1, .column = 1};
}

} // namespace

const Value::Entry* Value::find(std::string_view key) const {
    const auto found = std::ranges::find(entries, key, &Entry::key);
    return found == entries.end() ? nullptr : &*found;
}

ParsedToml parse_toml(std::string_view text) {
    ParsedToml parsed;
    const auto refuse = [&](Place place, std::string message) {
        parsed.problems.push_back({place, std::move(message)});
        return std::move(parsed);
    };
    if (text.size() > limits::config_file_bytes) {
        return refuse({},
                      std::format("the file is larger than {} bytes", limits::config_file_bytes));
    }
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_sequence_length(text.substr(at));
        if (length == 0) return refuse(place_of(text, at), "not UTF-8 text");
        at += length;
    }
    Scan scan(text);
    if (std::string problem = scan.find(); !problem.empty()) {
        return refuse(place_of(text, scan.at()), std::move(problem));
    }
    const Attempt made = attempt(text);
    if (!made.table && made.problem.message.empty()) {
        return refuse(find_stumble(text), "syntax error: this line is not TOML");
    }
    if (!made.table) return refuse(made.problem.place, made.problem.message);
    parsed.root = Converter(parsed.problems).convert(*made.table);
    parsed.root.place = {};
    return parsed;
}

} // namespace hawser::config
