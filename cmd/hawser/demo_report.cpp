#include "demo_report.h"

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <format>

namespace hawser::cmd::demo {

namespace {

constexpr std::string_view bold = "1", faint = "2", red = "31", green = "32", cyan = "36";
constexpr std::size_t name_width = 10;

bool wants_color(bool terminal, bool no_color) {
    const char* variable = std::getenv("NO_COLOR");
    return terminal && !no_color && (variable == nullptr || *variable == '\0');
}

} // namespace

Report::Report(bool no_color)
    : terminal_(isatty(STDOUT_FILENO) != 0), color_(wants_color(terminal_, no_color)) {}

std::string Report::paint(std::string_view code, std::string_view text) const {
    return color_ ? std::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

void Report::line(std::string_view text) {
    if (working_) std::fputs("\r\x1b[K", stdout);
    working_ = false;
    // Not std::println: it throws when nobody reads any more, and the demo still has to clean up.
    std::fputs(std::format("{}\n", text).c_str(), stdout);
    std::fflush(stdout);
}

void Report::title(std::string_view text) {
    line(paint(bold, text));
}

void Report::note(std::string_view text) {
    line(paint(faint, text));
}

void Report::heading(std::string_view text) {
    line("");
    line(paint(bold, text));
}

void Report::working(std::string_view text) {
    if (!terminal_) return;
    std::fputs(("\r\x1b[K" + paint(faint, std::format("  … {}", text))).c_str(), stdout);
    std::fflush(stdout);
    working_ = true;
}

void Report::held(std::string_view name, std::string_view what) {
    line(std::format("  {} {:<{}} {}", paint(green, "✓"), name, name_width, what));
}

void Report::failed(std::string_view name, std::string_view why) {
    line(std::format("  {} {:<{}} {}", paint(red, "✗"), name, name_width, why));
}

void Report::command(std::string_view prompt, std::string_view text, std::string_view output) {
    line(std::format("    {}{} {}", paint(faint, prompt), paint(faint, "$"), paint(cyan, text)));
    while (!output.empty()) {
        const auto end = output.find('\n');
        line(std::format("      {}", output.substr(0, end)));
        output = end == std::string_view::npos ? "" : output.substr(end + 1);
    }
}

void Report::detail(std::string_view text) {
    line(std::format("      {}", paint(faint, text)));
}

void Report::end(bool all_held, std::string_view text) {
    line("");
    line(paint(all_held ? green : red, text));
}

std::string show_time(std::chrono::microseconds time) {
    const auto micros = time.count();
    if (micros < 1000) return std::format("{} µs", micros);
    if (micros < 10'000) return std::format("{:.1f} ms", static_cast<double>(micros) / 1e3);
    if (micros < 1'000'000) return std::format("{} ms", micros / 1000);
    return std::format("{:.1f} s", static_cast<double>(micros) / 1e6);
}

std::string show_size(std::uint64_t bytes) {
    constexpr std::uint64_t kib = 1024, mib = kib * kib;
    if (bytes < kib) return std::format("{} B", bytes);
    if (bytes < mib) return std::format("{} KiB", bytes / kib);
    return std::format("{:.1f} MiB", static_cast<double>(bytes) / static_cast<double>(mib));
}

} // namespace hawser::cmd::demo
