// Everything there is to say about one connection, as one value made at its end; and its forms.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/units.h"

namespace hawser::telemetry {

enum class Reporter : std::uint8_t { source, destination }; // which of the two agents
[[nodiscard]] std::string_view to_string(Reporter reporter);

// Empty strings and endpoints without a port are left out of the line.
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
    Endpoint peer; // of the accepted connection
    Endpoint original_destination;
    Endpoint upstream;                // dialled
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

// One JSON object, without the line's end.
[[nodiscard]] std::string to_json(const AccessRecord& record);
// An entry in the journal's native protocol: the JSON as MESSAGE, and the fields people filter by
// as HAWSER_*.
[[nodiscard]] std::string to_journal(const AccessRecord& record);

} // namespace hawser::telemetry
