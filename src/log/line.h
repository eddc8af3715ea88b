// An event as one line of text, JSON or journal fields. Pure. No content can break a line, move a
// terminal's cursor or forge a field: control characters and invalid UTF-8 are escaped here, once.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/units.h"
#include "log/log.h"

namespace hawser::log {

struct Event {
    Level level = Level::info;
    WallTime time = 0;
    std::string_view message;
    std::span<const Field> fields;
};

// A line fits into what a pipe takes at once (PIPE_BUF); fields that would not fit are left out
// and counted in "omitted".
inline constexpr std::size_t line_bytes = 4096;

// 2026-01-02T03:04:05.678Z INFO  joined the mesh node=web-1 server="a b"
[[nodiscard]] std::string to_text_line(const Event& event, bool colour);
// {"time":"…","level":"info","message":"joined the mesh","node":"web-1"}
[[nodiscard]] std::string to_json_line(const Event& event);
// The journal's native protocol: PRIORITY, MESSAGE (with the fields, for readers), HAWSER_NODE …
[[nodiscard]] std::string to_journal_entry(const Event& event);
// <6>joined the mesh node=web-1: for a stderr that is read by the journal.
[[nodiscard]] std::string to_prefixed_line(const Event& event);

[[nodiscard]] std::string_view to_string(Level level);

} // namespace hawser::log
