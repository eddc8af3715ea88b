#include "console.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/bytes.h"

namespace hawser::cmd {

namespace {

constexpr std::size_t widest_cell = 120;
constexpr std::size_t longest_message = 4096;

bool wants_colour() {
    const char* no_colour = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && (no_colour == nullptr || *no_colour == '\0') &&
           (terminal == nullptr || std::string_view(terminal) != "dumb");
}

// In characters; none of ours is wider or narrower than one column.
std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void print_to(std::FILE* stream, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stream);
}

} // namespace

int report(const Error& error) {
    print_to(stderr, "hawser: " + printable(error.message, longest_message) + "\n");
    return error.code == ErrorCode::invalid ? usage : failed;
}

int report_config(const Error& error) {
    if (error.code != ErrorCode::invalid) {
        report(error); // the file could not be read
        return usage;
    }
    for (std::size_t at = 0; at <= error.message.size();) {
        const std::size_t end = std::min(error.message.find('\n', at), error.message.size());
        print_to(stderr, printable(error.message.substr(at, end - at), longest_message) + "\n");
        at = end + 1;
    }
    return usage;
}

void warn(std::string_view message) {
    print_to(stderr, "hawser: warning: " + printable(message, longest_message) + "\n");
}

void print_line(std::string_view line) {
    print_to(stdout, line);
    print_to(stdout, "\n");
}

void print_json(const nlohmann::json& value) {
    print_line(value.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

int finish_output(int code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    return code == done ? report({ErrorCode::resource_exhausted, "the output could not be written"})
                        : code;
}

std::string toned(std::string_view text, Tone tone) {
    static const bool colour = wants_colour();
    if (!colour || tone == Tone::plain) return std::string(text);
    const std::string_view code = tone == Tone::good ? "32" : tone == Tone::bad ? "31" : "2";
    std::string out = "\x1b[";
    return out.append(code).append("m").append(text).append("\x1b[0m");
}

void TextTable::print(std::size_t indent) const {
    std::vector<std::vector<Cell>> lines;
    std::vector<Cell> head;
    for (const std::string& heading : headings_) head.emplace_back(heading, Tone::faint);
    lines.push_back(std::move(head));
    for (const std::vector<Cell>& row : rows_) {
        std::vector<Cell>& line = lines.emplace_back();
        for (const Cell& cell : row) {
            const std::string text = printable(cell.text, widest_cell);
            line.emplace_back(text.empty() ? "-" : text, cell.tone);
        }
    }
    std::vector<std::size_t> widths(headings_.size(), 0);
    for (const std::vector<Cell>& line : lines) {
        for (std::size_t i = 0; i < line.size() && i < widths.size(); ++i) {
            widths[i] = std::max(widths[i], width_of(line[i].text));
        }
    }
    for (const std::vector<Cell>& line : lines) {
        std::string text(indent, ' ');
        for (std::size_t i = 0; i < line.size() && i < widths.size(); ++i) {
            text += toned(line[i].text, line[i].tone);
            // Nothing after the last column: lines do not end in spaces.
            if (i + 1 < line.size()) text.append(widths[i] - width_of(line[i].text) + 2, ' ');
        }
        print_line(text);
    }
}

std::string time_text(WallTime time) {
    return time == 0 ? "-" : format_time(time);
}

nlohmann::json time_json(WallTime time) {
    return time == 0 ? nlohmann::json() : nlohmann::json(format_time(time));
}

std::string rough_duration(Duration duration) {
    std::int64_t left = std::max<std::int64_t>(duration.count(), 0);
    if (left < 1000) return "0s";
    std::string text;
    int units = 0;
    for (const auto& [name, factor] : {std::pair<const char*, std::int64_t>{"d", 86'400'000},
                                       {"h", 3'600'000},
                                       {"m", 60'000},
                                       {"s", 1000}}) {
        if (units == 2) break;
        if (left >= factor) text += std::to_string(left / factor) + name;
        if (!text.empty()) ++units;
        left %= factor;
    }
    return text;
}

std::string distance_text(WallTime time, WallTime now) {
    if (time == 0) return "-";
    if (time > now) return "in " + rough_duration(Duration{time - now});
    return rough_duration(Duration{now - time}) + " ago";
}

} // namespace hawser::cmd
