#include "log/line.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"

namespace hawser::log {

namespace {

constexpr std::size_t value_bytes = 900;   // of a message or a value, before escaping
constexpr std::size_t reserved_bytes = 64; // for the count of omitted fields and the end
constexpr std::size_t escaped_bytes = 4 * value_bytes; // and after
constexpr std::size_t usable_bytes = line_bytes - reserved_bytes;

std::string time_with_milliseconds(WallTime time) {
    std::string text = format_time(time);
    text.pop_back();
    return std::format("{}.{:03}Z", text, std::max<WallTime>(time, 0) % 1000);
}

bool is_bare(std::string_view value) {
    return !value.empty() && std::ranges::none_of(value, [](char c) {
        return c == ' ' || c == '"' || c == '\\' || c == '=';
    });
}

// A value of key=value: bare when that is unambiguous, otherwise in double quotes.
std::string text_value(std::string_view value) {
    const std::string shown = printable(value, value_bytes);
    if (is_bare(shown) && shown == value) return shown;
    std::string quoted = "\"";
    for (const char c : shown) {
        // printable() wrote the backslashes of its \xNN, unless the text had them itself.
        if (c == '"') quoted.push_back('\\');
        quoted.push_back(c);
    }
    return quoted + '"';
}

std::string message_with_fields(const Event& event) {
    std::string text = printable(event.message, value_bytes);
    std::size_t omitted = 0;
    for (const Field& field : event.fields) {
        const std::string shown =
            std::format(" {}={}", printable(field.key), text_value(field.value));
        if (text.size() + shown.size() > usable_bytes) {
            ++omitted;
        } else {
            text += shown;
        }
    }
    if (omitted > 0) text += std::format(" omitted={}", omitted);
    return text;
}

void append_json_string(std::string& out, std::string_view text) {
    out.push_back('"');
    const std::size_t begin = out.size();
    std::size_t at = 0;
    while (at < std::min(text.size(), value_bytes) && out.size() - begin < escaped_bytes) {
        const std::string_view rest = text.substr(at);
        const std::size_t length = utf8_sequence_length(rest);
        const char c = rest[0];
        if (length == 0) {
            out += "\\ufffd";
        } else if (c == '"' || c == '\\') {
            out.append({'\\', c});
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            out += std::format("\\u{:04x}", static_cast<unsigned>(c));
        } else if (length == 2 && c == '\xc2' && static_cast<unsigned char>(rest[1]) < 0xa0) {
            out += std::format("\\u{:04x}", static_cast<unsigned char>(rest[1])); // U+0080–U+009F
        } else {
            out.append(rest.substr(0, length));
        }
        at += std::max<std::size_t>(length, 1);
    }
    if (at < text.size()) out += "…";
    out.push_back('"');
}

// HAWSER_ + the key in capitals: what the journal accepts as a field name.
std::string journal_name(std::string_view key) {
    std::string name = "HAWSER_";
    for (const char c : key.substr(0, 57)) { // the journal takes 64
        const bool lower = c >= 'a' && c <= 'z';
        const bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        name.push_back(lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_');
    }
    return name;
}

int syslog_priority(Level level) {
    switch (level) {
        case Level::debug: return 7;
        case Level::info: return 6;
        case Level::warn: return 4;
        case Level::error:
        case Level::off: break;
    }
    return 3;
}

std::string_view capitals(Level level) {
    switch (level) {
        case Level::debug: return "DEBUG";
        case Level::info: return "INFO ";
        case Level::warn: return "WARN ";
        case Level::error:
        case Level::off: break;
    }
    return "ERROR";
}

std::string_view colour_of(Level level) {
    switch (level) {
        case Level::debug: return "\x1b[2m";
        case Level::info: return "\x1b[32m";
        case Level::warn: return "\x1b[33m";
        case Level::error:
        case Level::off: break;
    }
    return "\x1b[31m";
}

} // namespace

std::string to_text_line(const Event& event, bool colour) {
    return std::format("{} {}{}{} {}\n", time_with_milliseconds(event.time),
                       colour ? colour_of(event.level) : "", capitals(event.level),
                       colour ? "\x1b[0m" : "", message_with_fields(event));
}

std::string to_json_line(const Event& event) {
    std::string line = std::format(R"({{"time":"{}","level":"{}","message":)",
                                   time_with_milliseconds(event.time), to_string(event.level));
    append_json_string(line, event.message);
    std::size_t omitted = 0;
    for (const Field& field : event.fields) {
        std::string shown = ",";
        append_json_string(shown, field.key);
        shown.push_back(':');
        append_json_string(shown, field.value);
        if (line.size() + shown.size() > usable_bytes) {
            ++omitted;
        } else {
            line += shown;
        }
    }
    if (omitted > 0) line += std::format(R"(,"omitted":"{}")", omitted);
    return line + "}\n";
}

std::string to_journal_entry(const Event& event) {
    // One KEY=value a line: a newline in a value would begin a field of the sender's choice, but
    // printable() leaves none.
    std::string entry = std::format("PRIORITY={}\nSYSLOG_IDENTIFIER=hawser\nMESSAGE={}\n",
                                    syslog_priority(event.level), message_with_fields(event));
    for (const Field& field : event.fields) {
        entry +=
            std::format("{}={}\n", journal_name(field.key), printable(field.value, value_bytes));
    }
    return entry;
}

std::string to_prefixed_line(const Event& event) {
    return std::format("<{}>{}\n", syslog_priority(event.level), message_with_fields(event));
}

std::string_view to_string(Level level) {
    switch (level) {
        case Level::debug: return "debug";
        case Level::info: return "info";
        case Level::warn: return "warn";
        case Level::error: return "error";
        case Level::off: return "off";
    }
    return "unknown";
}

} // namespace hawser::log
