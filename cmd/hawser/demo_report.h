// What the demo prints: a line while it works, a line for what held, the commands it ran.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace hawser::cmd::demo {

class Report {
  public:
    explicit Report(bool no_color);

    void title(std::string_view text);
    void note(std::string_view text);
    void heading(std::string_view text);
    // "… starting the server": on a terminal, replaced by what comes next.
    void working(std::string_view text);
    void held(std::string_view name, std::string_view what);
    void failed(std::string_view name, std::string_view why);
    // A command as a user would type it, and what it printed.
    void command(std::string_view prompt, std::string_view text, std::string_view output);
    void detail(std::string_view text);
    void end(bool all_held, std::string_view text);

  private:
    [[nodiscard]] std::string paint(std::string_view code, std::string_view text) const;
    void line(std::string_view text);

    bool terminal_, color_;
    bool working_ = false;
};

// "820 µs", "1.4 ms", "2.3 s".
[[nodiscard]] std::string show_time(std::chrono::microseconds time);
// "512 B", "14 KiB", "1.2 MiB".
[[nodiscard]] std::string show_size(std::uint64_t bytes);

} // namespace hawser::cmd::demo
