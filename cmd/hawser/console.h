// What every verb says, and how: results on stdout, one clear line per failure on stderr, exit
// codes that scripts can rely on. Nothing that a daemon sent reaches a terminal unescaped.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace hawser::cmd {

enum ExitCode : int {
    done = 0,
    failed = 1,      // the check or operation
    usage = 2,       // wrong usage or invalid configuration
    unreachable = 3, // the daemon
};

// Prints the failure and says with which code to exit: `usage` for what is wrong whatever the
// state, otherwise `failed`.
int report(const Error& error);
// The same for problems of configuration files, whose lines begin with their place.
int report_config(const Error& error);

// One line on stderr; nothing fails.
void warn(std::string_view message);

void print_line(std::string_view line);
void print_json(const nlohmann::json& value);

// The exit code once everything is written: `failed` if stdout did not take it (a full disk).
int finish_output(int code);

enum class Tone { plain, good, bad, faint };
// Colours for a terminal that wants them (NO_COLOR, TERM=dumb); otherwise the text alone.
[[nodiscard]] std::string toned(std::string_view text, Tone tone);

// Rows under headings, aligned by the width of what is in them.
class TextTable {
  public:
    explicit TextTable(std::vector<std::string> headings) : headings_(std::move(headings)) {}
    struct Cell {
        Cell(std::string t, Tone to = Tone::plain) : text(std::move(t)), tone(to) {}
        Cell(const char* t) : text(t) {}
        std::string text;
        Tone tone = Tone::plain;
    };
    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    void print(std::size_t indent = 0) const;

  private:
    std::vector<std::string> headings_;
    std::vector<std::vector<Cell>> rows_;
};

// "2026-01-02T03:04:05Z", or "-" if not set; as JSON null.
[[nodiscard]] std::string time_text(WallTime time);
[[nodiscard]] nlohmann::json time_json(WallTime time);
// "in 11h30m", "3h2m ago": the two largest units.
[[nodiscard]] std::string distance_text(WallTime time, WallTime now);
// "3h2m": the two largest units.
[[nodiscard]] std::string rough_duration(Duration duration);

} // namespace hawser::cmd
