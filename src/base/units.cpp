#include "base/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>
#include <limits>

#include "base/bytes.h"

namespace hawser {

namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// From the largest down: the order in which a sum must be written.
constexpr std::array duration_units{
    Unit{"d", 86'400'000}, Unit{"h", 3'600'000}, Unit{"m", 60'000}, Unit{"s", 1000}, Unit{"ms", 1},
};
constexpr std::uint64_t longest_duration = 36'525ULL * 86'400'000; // a century: no sum overflows

constexpr std::array size_units{
    Unit{"", 1},
    Unit{"B", 1},
    Unit{"kB", 1000},
    Unit{"MB", 1000'000},
    Unit{"GB", 1000'000'000},
    Unit{"KiB", 1 << 10},
    Unit{"MiB", 1 << 20},
    Unit{"GiB", 1 << 30},
};

// Takes a run of decimal digits from the front; false when there is none or it does not fit.
bool take_number(std::string_view& text, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

std::string_view take_letters(std::string_view& text) {
    std::size_t length = 0;
    while (length < text.size() && (text[length] < '0' || text[length] > '9')) ++length;
    const std::string_view letters = text.substr(0, length);
    text.remove_prefix(length);
    return letters;
}

std::unexpected<Error> not_a_duration(std::string_view text) {
    return fail(ErrorCode::invalid,
                quote(text) + " is not a duration (write it like \"250ms\", \"10s\", \"1h30m\")");
}

} // namespace

Result<Duration> parse_duration(std::string_view text) {
    std::string_view rest = text;
    std::uint64_t sum = 0;
    std::size_t next_unit = 0;
    do {
        std::uint64_t number = 0;
        if (!take_number(rest, number)) return not_a_duration(text);
        const std::string_view name = take_letters(rest);
        while (next_unit < duration_units.size() && duration_units[next_unit].name != name) {
            ++next_unit;
        }
        if (next_unit == duration_units.size()) return not_a_duration(text);
        const std::uint64_t factor = duration_units[next_unit++].factor;
        if (number > longest_duration / factor || (sum += number * factor) > longest_duration) {
            return fail(ErrorCode::invalid, quote(text) + " is longer than a century");
        }
    } while (!rest.empty());
    return Duration{static_cast<Duration::rep>(sum)};
}

std::string format_duration(Duration value) {
    if (value.count() == 0) return "0s";
    std::string text = value.count() < 0 ? "-" : "";
    auto left = static_cast<std::uint64_t>(value.count());
    if (value.count() < 0) left = -left;
    for (const Unit& unit : duration_units) {
        if (left < unit.factor) continue;
        text.append(std::to_string(left / unit.factor)).append(unit.name);
        left %= unit.factor;
    }
    return text;
}

Result<std::uint64_t> parse_size(std::string_view text) {
    std::string_view rest = text;
    std::uint64_t number = 0;
    if (take_number(rest, number)) {
        for (const Unit& unit : size_units) {
            if (unit.name != rest) continue;
            if (number > std::numeric_limits<std::uint64_t>::max() / unit.factor) {
                return fail(ErrorCode::invalid, quote(text) + " is too large a size");
            }
            return number * unit.factor;
        }
    }
    return fail(ErrorCode::invalid,
                quote(text) + " is not a size (write it like \"512\", \"64KiB\", \"16MiB\")");
}

std::string format_time(WallTime time) {
    using namespace std::chrono;
    constexpr WallTime last = 253'402'300'799'999; // the end of year 9999: four digits
    time = std::min(std::max<WallTime>(time, 0), last);
    const auto seconds = floor<std::chrono::seconds>(sys_time<milliseconds>(milliseconds(time)));
    const auto day = floor<days>(seconds);
    const year_month_day date(day);
    const hh_mm_ss clock(seconds - day);
    return std::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

} // namespace hawser
