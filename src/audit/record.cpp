#include "audit/record.h"

#include <algorithm>
#include <charconv>
#include <format>

#include "base/bytes.h"
#include "tls/x509.h"

namespace hawser::audit {

namespace {

constexpr std::size_t hash_bytes = 32;
constexpr std::string_view hash_key = ",\"hash\":\"";
constexpr std::size_t tail_bytes = hash_key.size() + 2 * hash_bytes + 2; // …"}
constexpr std::size_t word_bytes = 128;                                  // who, from, method, kind
constexpr std::size_t text_bytes = 1024;                                 // detail, result
constexpr std::size_t name_bytes = 128; // of what it is about: a kind and a name, or an identity

// --- to text ----------------------------------------------------------------------------------

void add_string(std::string& line, std::string_view text, std::size_t limit) {
    line += '"';
    for (const char c : printable(text, limit)) {
        if (c == '"' || c == '\\') line += '\\';
        line += c;
    }
    line += '"';
}

void add_text(std::string& line, std::string_view key, std::string_view text, std::size_t limit) {
    if (text.empty()) return;
    line += std::format(",\"{}\":", key);
    add_string(line, text, limit);
}

void add_number(std::string& line, std::string_view key, std::uint64_t number) {
    if (number != 0) line += std::format(",\"{}\":{}", key, number);
}

void add_names(std::string& line, const std::vector<std::string>& names) {
    if (names.empty()) return;
    line += ",\"what\":[";
    const std::size_t shown = names.size() > most_names ? most_names - 1 : names.size();
    for (std::size_t i = 0; i < shown; ++i) {
        if (i != 0) line += ',';
        add_string(line, names[i], name_bytes);
    }
    if (shown < names.size()) line += std::format(",\"and {} more\"", names.size() - shown);
    line += ']';
}

// --- from text --------------------------------------------------------------------------------

// Takes the line apart from the left; what does not fit leaves `good` false for ever.
class Cursor {
  public:
    explicit Cursor(std::string_view text) : rest_(text) {}

    void expect(std::string_view text) { good_ = skip(text) && good_; }
    [[nodiscard]] bool skip(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    [[nodiscard]] std::uint64_t number() {
        std::uint64_t value = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        const auto length = static_cast<std::size_t>(end - rest_.data());
        if (error != std::errc() || (length > 1 && rest_.front() == '0')) good_ = false;
        rest_.remove_prefix(length);
        return value;
    }
    [[nodiscard]] std::string string() {
        expect("\"");
        std::string text;
        while (good_ && !rest_.empty() && rest_.front() != '"') {
            if (rest_.front() == '\\') rest_.remove_prefix(1);
            if (rest_.empty() || static_cast<unsigned char>(rest_.front()) < 0x20) break;
            text += rest_.front();
            rest_.remove_prefix(1);
        }
        expect("\"");
        return text;
    }
    [[nodiscard]] std::string hash() {
        Result<std::string> bytes = from_hex(string());
        if (bytes && bytes->size() == hash_bytes) return std::move(*bytes);
        good_ = false;
        return {};
    }
    void text(std::string_view key, std::string& to) {
        if (skip(std::format(",\"{}\":", key))) to = string();
    }
    void number(std::string_view key, std::uint64_t& to) {
        if (skip(std::format(",\"{}\":", key))) to = number();
    }
    void names(std::vector<std::string>& to) {
        if (!skip(",\"what\":[")) return;
        do to.push_back(string());
        while (good_ && skip(","));
        expect("]");
    }
    [[nodiscard]] bool ended() const { return good_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

} // namespace

Sealed seal(const Head& previous, const Entry& entry) {
    Head head{.sequence = previous.sequence + 1, .hash = {}};
    std::string line = std::format(R"({{"seq":{},"previous":"{}","time_ms":{})", head.sequence,
                                   to_hex(as_bytes(previous.hash)), entry.time);
    add_text(line, "server", entry.server, word_bytes);
    add_text(line, "kind", entry.kind, word_bytes);
    add_text(line, "who", entry.who, word_bytes);
    add_text(line, "from", entry.from, word_bytes);
    add_text(line, "method", entry.method, word_bytes);
    add_names(line, entry.what);
    add_text(line, "detail", entry.detail, text_bytes);
    add_number(line, "of", entry.of);
    add_number(line, "index", entry.index);
    add_text(line, "result", entry.result, text_bytes);
    head.hash = tls::sha256(as_bytes(line));
    line += std::format("{}{}\"}}", hash_key, to_hex(as_bytes(head.hash)));
    return {.line = std::move(line), .head = std::move(head)};
}

Result<Record> parse(std::string_view line) {
    Record record;
    Entry& entry = record.entry;
    Cursor cursor(line);
    cursor.expect("{\"seq\":");
    record.head.sequence = cursor.number();
    cursor.expect(",\"previous\":");
    record.previous = cursor.hash();
    cursor.expect(",\"time_ms\":");
    entry.time = static_cast<WallTime>(cursor.number());
    cursor.text("server", entry.server);
    cursor.text("kind", entry.kind);
    cursor.text("who", entry.who);
    cursor.text("from", entry.from);
    cursor.text("method", entry.method);
    cursor.names(entry.what);
    cursor.text("detail", entry.detail);
    cursor.number("of", entry.of);
    cursor.number("index", entry.index);
    cursor.text("result", entry.result);
    cursor.expect(",\"hash\":");
    record.head.hash = cursor.hash();
    cursor.expect("}");
    if (!cursor.ended() || record.head.sequence == 0 || record.head.sequence > most_records ||
        line.size() > line_bytes)
        return fail(ErrorCode::corrupt, "it is not a record of an audit log");
    return record;
}

std::string hash_of(std::string_view line) {
    return tls::sha256(as_bytes(line.substr(0, line.size() - std::min(line.size(), tail_bytes))));
}

} // namespace hawser::audit
