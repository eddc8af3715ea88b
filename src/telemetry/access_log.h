// The access log: one JSON object a line for each connection (requests later). Workers only move
// the record into a bounded queue; a thread of its own formats and writes it. When the reader of
// the log is too slow, records are dropped and counted; traffic is never held up.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "telemetry/access_record.h"

namespace hawser::telemetry {

enum class AccessLogMode : std::uint8_t { off, errors, all };
enum class AccessLogFormat : std::uint8_t { json, journal };

class AccessLog {
  public:
    // json: lines to a duplicate of `descriptor`. journal: entries to journald's socket.
    [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(AccessLogMode mode,
                                                                 AccessLogFormat format,
                                                                 int descriptor = 1);
    // A log that wants nothing and writes nowhere.
    [[nodiscard]] static std::unique_ptr<AccessLog> none();
    ~AccessLog(); // writes what is queued, for at most a second
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    // From any thread; never blocks. Records the mode leaves out are ignored.
    void write(AccessRecord record);
    // Would a record with this flag be kept? Saves making one.
    [[nodiscard]] bool wants(std::string_view flag) const {
        return mode_ == AccessLogMode::all || (mode_ == AccessLogMode::errors && flag != "-");
    }
    [[nodiscard]] std::uint64_t written() const;
    [[nodiscard]] std::uint64_t dropped() const;

  private:
    class Writer;
    AccessLog(AccessLogMode mode, std::unique_ptr<Writer> writer);

    AccessLogMode mode_;
    std::unique_ptr<Writer> writer_; // null with off
};

} // namespace hawser::telemetry
