#include "telemetry/access_record.h"

#include <cstring>
#include <ctime>
#include <format>

namespace hawser::telemetry {
namespace {

void append_text(std::string& line, std::string_view text) {
    line += '"';
    for (const char letter : text) {
        const auto byte = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\')
            line.append(1, '\\').append(1, letter);
        else if (byte < 0x20 || byte >= 0x7f)
            // Bytes above ASCII as if Latin-1: no name of the mesh has any, and the line stays
            // valid.
            line += std::format("\\u{:04x}", byte);
        else
            line += letter;
    }
    line += '"';
}

class JsonLine {
  public:
    void text(std::string_view key, std::string_view value) {
        if (value.empty()) return;
        name(key);
        append_text(line_, value);
    }
    void endpoint(std::string_view key, const Endpoint& value) {
        if (value.port != 0) text(key, value.to_string());
    }
    template <typename Number>
    void number(std::string_view key, Number value) {
        name(key);
        line_ += std::to_string(value);
    }
    void flag(std::string_view key, bool value) {
        if (!value) return;
        name(key);
        line_ += "true";
    }
    std::string finish() { return std::move(line_) + "}"; }

  private:
    void name(std::string_view key) {
        line_.append(line_.size() > 1 ? ",\"" : "\"").append(key).append("\":");
    }
    std::string line_ = "{";
};

// RFC 3339 with milliseconds.
std::string timestamp(WallTime time) {
    const std::time_t seconds = time / 1000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return std::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                       time % 1000);
}

// "KEY=value\n", or with a length in front where the value has a line end.
void journal_field(std::string& entry, std::string_view key, std::string_view value) {
    if (value.empty()) return;
    entry.append(key);
    if (!value.contains('\n')) {
        entry.append("=").append(value).append("\n");
        return;
    }
    entry += '\n';
    for (int shift = 0; shift < 64; shift += 8)
        entry += static_cast<char>(static_cast<std::uint64_t>(value.size()) >> shift);
    entry.append(value).append("\n");
}

} // namespace

std::string_view to_string(Reporter reporter) {
    return reporter == Reporter::source ? "source" : "destination";
}

std::string to_json(const AccessRecord& record) {
    JsonLine line;
    line.text("time", timestamp(record.time));
    line.number("duration_us", record.duration.count());
    line.text("reporter", to_string(record.reporter));
    line.text("protocol", record.protocol);
    line.text("source_principal", record.source_principal);
    line.text("source_workload", record.source_workload);
    line.text("source_node", record.source_node);
    line.text("destination_principal", record.destination_principal);
    line.text("destination_service", record.destination_service);
    line.text("instance", record.instance);
    line.text("destination_node", record.destination_node);
    line.endpoint("peer", record.peer);
    line.endpoint("original_destination", record.original_destination);
    line.endpoint("upstream", record.upstream);
    line.text("policy", record.policy);
    line.text("response_flags", record.flag);
    line.text("reason", record.flag_words);
    line.text("detail", record.detail);
    line.number("sent_bytes", record.sent_bytes);
    line.number("received_bytes", record.received_bytes);
    if (record.has_uid) line.number("uid", record.uid);
    line.flag("shadow_denied", record.shadow_denied);
    return line.finish();
}

std::string to_journal(const AccessRecord& record) {
    std::string entry;
    journal_field(entry, "MESSAGE", to_json(record));
    journal_field(entry, "PRIORITY", record.flag == "-" ? "6" : "5");
    journal_field(entry, "SYSLOG_IDENTIFIER", "hawser-access");
    journal_field(entry, "HAWSER_REPORTER", to_string(record.reporter));
    journal_field(entry, "HAWSER_SOURCE", record.source_workload);
    journal_field(entry, "HAWSER_DESTINATION", record.destination_service);
    journal_field(entry, "HAWSER_INSTANCE", record.instance);
    journal_field(entry, "HAWSER_POLICY", record.policy);
    journal_field(entry, "HAWSER_FLAGS", record.flag);
    return entry;
}

} // namespace hawser::telemetry
