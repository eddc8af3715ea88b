// The access log: one JSON object a line for each connection (requests later), made from one value
// at its end. Workers only move the value into a bounded queue; a thread of its own formats and
// writes it. When the reader of the log is too slow, records are dropped and counted, traffic is
// never held up.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/result.h"
#include "base/units.h"

namespace hawser::telemetry {

enum class AccessLogMode : std::uint8_t { off, errors, all };
enum class Reporter : std::uint8_t { source, destination };
[[nodiscard]] std::string_view to_string(Reporter reporter);

// Everything there is to say about one connection. Empty strings are left out of the line.
struct AccessRecord {
    WallTime time = 0; // when it began
    std::chrono::microseconds duration{};
    Reporter reporter = Reporter::source;
    std::string protocol = "tcp";
    std::string source_principal; // SPIFFE id of the caller
    std::string source_workload;  // its service
    std::string source_node;
    std::string destination_principal;
    std::string destination_service;
    std::string instance; // "web-1/api/8080"
    std::string destination_node;
    Endpoint peer;                    // of the accepted connection
    Endpoint original_destination;    // port 0: none
    Endpoint upstream;                // dialled; port 0: none
    std::string policy;               // the rule that decided; "default"
    std::string flag = "-";           // Envoy's code
    std::string flag_words;           // "no healthy upstream"
    std::string detail;               // the error's text
    std::uint64_t sent_bytes = 0;     // towards the caller
    std::uint64_t received_bytes = 0; // from the caller
    std::uint32_t uid = 0;            // of the local caller, with has_uid
    bool has_uid = false;
    bool shadow_denied = false; // a shadow policy would have refused it
};
// Without the line's end.
[[nodiscard]] std::string to_json(const AccessRecord& record);

enum class AccessLogFormat : std::uint8_t { json, journal };

class AccessLog {
  public:
    // Writes to a duplicate of `descriptor` (JSON lines), or as native journal entries with
    // HAWSER_* fields.
    [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(AccessLogMode mode,
                                                                 AccessLogFormat format,
                                                                 int descriptor = 1);
    ~AccessLog(); // writes what is queued, for at most a second
    AccessLog(const AccessLog&) = delete;
    AccessLog& operator=(const AccessLog&) = delete;

    // From any thread; never blocks.
    void write(AccessRecord record);
    // Would a record with this flag be kept? Saves making one.
    [[nodiscard]] bool wants(std::string_view flag) const {
        return mode_ == AccessLogMode::all || (mode_ == AccessLogMode::errors && flag != "-");
    }
    [[nodiscard]] std::uint64_t written() const;
    [[nodiscard]] std::uint64_t dropped() const;

  private:
    struct Writer;
    AccessLog(AccessLogMode mode, std::unique_ptr<Writer> writer);

    AccessLogMode mode_;
    std::unique_ptr<Writer> writer_;
};

} // namespace hawser::telemetry
