// Keeps the log readable while somebody causes the same line again and again: the first time is
// written at once, what follows is counted and told in one line per interval. Metrics count each.
// Pure: the caller brings the time and writes the lines. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace hawser::proxy {

class Repeats {
  public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::seconds interval{10};
    // Of one interval; whoever comes later is one of the "others".
    static constexpr std::size_t most_subjects = 64;

    struct Line {
        std::string event;   // "refused a tunnel"
        std::string subject; // who caused it, "others" if too many did
        std::string reason;
        auto operator<=>(const Line&) const = default;
    };
    struct Summary {
        Line line;
        std::uint64_t times = 0; // besides the first
    };

    // Is it to be written now?
    [[nodiscard]] bool first(Line line, Time now);
    // Those whose interval is over, and that came again in it.
    [[nodiscard]] std::vector<Summary> due(Time now);

  private:
    struct Count {
        Time since;
        std::uint64_t more = 0;
    };
    std::map<Line, Count> counts_;
};

} // namespace hawser::proxy
