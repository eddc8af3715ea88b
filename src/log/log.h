// Structured logging: one line an event, fields as key=value. Hides spdlog.
//
//   log::info("joined the mesh", {{"node", node}, {"server", server}});
//
// Thread-safe. Formats: "journal" (native protocol with HAWSER_* fields, used when stderr is the
// journal), "json", "text". Never called from pure rooms.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };
enum class Format : std::uint8_t { automatic, journal, json, text };

struct Field {
    std::string_view key;
    std::string value;

    Field(std::string_view k, std::string_view v) : key(k), value(v) {}
    Field(std::string_view k, const char* v) : key(k), value(v) {}
    Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
    Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
    template <typename Integer>
        requires std::is_integral_v<Integer>
    Field(std::string_view k, Integer v) : key(k), value(std::to_string(v)) {}
    Field(std::string_view k, const Error& e) : key(k), value(e.message) {}
};
using Fields = std::initializer_list<Field>;

void configure(Level level, Format format);
[[nodiscard]] Result<Level> parse_level(std::string_view text);
[[nodiscard]] Result<Format> parse_format(std::string_view text);
[[nodiscard]] bool enabled(Level level);

void write(Level level, std::string_view message, Fields fields);
inline void debug(std::string_view message, Fields fields = {}) {
    if (enabled(Level::debug)) write(Level::debug, message, fields);
}
inline void info(std::string_view message, Fields fields = {}) {
    write(Level::info, message, fields);
}
inline void warn(std::string_view message, Fields fields = {}) {
    write(Level::warn, message, fields);
}
inline void error(std::string_view message, Fields fields = {}) {
    write(Level::error, message, fields);
}

} // namespace hawser::log
