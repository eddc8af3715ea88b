// The logger behind the free functions of log.h: spdlog with one sink. The only state of the
// process that is not owned by a root: every room logs, and none should carry a logger for it.
#include "log/log.h"

#include <poll.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>

#include "base/bytes.h"
#include "base/nearest.h"
#include "log/journal.h"
#include "log/line.h"

namespace hawser::log {

namespace {

constexpr int patience_ms = 10; // for a reader of stderr that is behind, once

constexpr std::array<std::string_view, 5> level_names{"debug", "info", "warn", "error", "off"};
constexpr std::array<std::string_view, 4> format_names{"automatic", "journal", "json", "text"};

// Writes finished lines to stderr. A reader that stopped reading must not stop the mesh: lines it
// does not take are dropped and counted.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        if (!writable()) {
            ++dropped_;
            return;
        }
        if (dropped_ > 0) {
            put("hawser: " + std::to_string(dropped_) + " log lines were dropped\n");
            dropped_ = 0;
            if (!writable()) return;
        }
        put({message.payload.data(), message.payload.size()});
    }
    void flush_() override {}

  private:
    // Whether a whole line can be written without waiting (POLLOUT of a pipe: PIPE_BUF is free).
    [[nodiscard]] bool writable() const {
        pollfd stderr_poll{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
        return ::poll(&stderr_poll, 1, dropped_ > 0 ? 0 : patience_ms) == 1 &&
               (stderr_poll.revents & POLLOUT) != 0;
    }
    static void put(std::string_view text) {
        // Nobody is left to tell about a failure.
        [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    }

    std::uint64_t dropped_ = 0;
};

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::debug: return spdlog::level::debug;
        case Level::info: return spdlog::level::info;
        case Level::warn: return spdlog::level::warn;
        case Level::error: return spdlog::level::err;
        case Level::off: break;
    }
    return spdlog::level::off;
}

struct Logger {
    std::atomic<Level> level{Level::info};
    std::atomic<Format> format{Format::text};
    std::atomic<bool> colour{false};
    JournalSocket journal;
    spdlog::logger stderr_logger{"hawser", std::make_shared<StderrSink>()};

    Logger() { stderr_logger.set_level(spdlog::level::trace); }
};

// Never destroyed: threads may log until the process is gone.
Logger& logger() {
    static Logger& instance = *new Logger;
    return instance;
}

template <std::size_t N>
Result<std::size_t> find_word(const std::array<std::string_view, N>& known, std::string_view text,
                              std::string_view what) {
    for (std::size_t i = 0; i < known.size(); ++i) {
        if (known[i] == text) return i;
    }
    std::string message = "unknown " + std::string(what) + " " + quote(text);
    if (const std::string_view near = nearest(text, known); !near.empty()) {
        message.append("; did you mean '").append(near).append("'?");
    }
    return fail(ErrorCode::invalid, std::move(message));
}

WallTime now() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

} // namespace

void configure(Level level, Format format) {
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    if (format == Format::automatic) {
        format = stderr_is_journal() ? Format::journal : Format::text;
    }
    const char* no_colour = std::getenv("NO_COLOR");
    logger().colour = terminal && (no_colour == nullptr || *no_colour == '\0');
    logger().format = format;
    logger().level = level;
}

Result<Level> parse_level(std::string_view text) {
    return find_word(level_names, text, "log level").transform([](std::size_t i) {
        return static_cast<Level>(i);
    });
}

Result<Format> parse_format(std::string_view text) {
    return find_word(format_names, text, "log format").transform([](std::size_t i) {
        return static_cast<Format>(i);
    });
}

bool enabled(Level level) {
    return level != Level::off && level >= logger().level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, Fields fields) {
    if (!enabled(level)) return;
    Logger& to = logger();
    const Event event{.level = level,
                      .time = now(),
                      .message = message,
                      .fields = {fields.begin(), fields.size()}};
    std::string line;
    switch (to.format.load(std::memory_order_relaxed)) {
        case Format::journal:
            if (to.journal.send(to_journal_entry(event))) return;
            line = to_prefixed_line(event);
            break;
        case Format::json: line = to_json_line(event); break;
        case Format::automatic:
        case Format::text: line = to_text_line(event, to.colour); break;
    }
    to.stderr_logger.log(to_spdlog(level), spdlog::string_view_t(line));
}

} // namespace hawser::log
