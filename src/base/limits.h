// Every upper bound of hawser in one place, each with its reason. A limit that an operator may
// want to move is a config key whose default stands here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace hawser::limits {

using namespace std::chrono_literals;

// --- names and resources -------------------------------------------------------------------
inline constexpr std::size_t name_length = 63;          // a DNS label
inline constexpr std::size_t trust_domain_length = 255; // SPIFFE §2.1
inline constexpr std::size_t spiffe_id_length = 2048;   // SPIFFE §2.3
inline constexpr std::size_t config_file_bytes = 1 << 20;
inline constexpr std::size_t resources_per_apply = 10'000;
inline constexpr std::size_t services = 20'000; // a mesh's; bounds every agent's memory
inline constexpr std::size_t instances_per_node = 256;
inline constexpr std::size_t policies = 50'000;
inline constexpr std::size_t sources_per_policy = 256;
inline constexpr std::size_t labels_per_instance = 32;
inline constexpr std::size_t label_length = 255;
inline constexpr std::size_t zone_length = 127;
inline constexpr std::uint32_t instance_weight = 1000; // finer shares than 0.1 % mean nothing
inline constexpr std::uint32_t service_connections = 1'000'000;
inline constexpr auto service_connect_timeout = 5min; // a caller gave up long before
inline constexpr auto service_idle_timeout = std::chrono::hours(24 * 365);
inline constexpr std::size_t trust_roots = 8; // a rotation needs two
inline constexpr std::size_t sealed_key_bytes = 4 << 10;
inline constexpr std::size_t join_tokens = 10'000;
inline constexpr std::size_t operator_tokens = 1'000;
inline constexpr std::size_t quarantines = 10'000; // a rack gone bad; each is looked up by all
inline constexpr std::size_t services_per_token = 256;
inline constexpr std::size_t servers = 16;             // voters, and learners that catch up
inline constexpr std::size_t addresses_per_server = 8; // IPv4, IPv6, inside, outside
inline constexpr std::size_t actor_length = 128;

// History. Servers drop old entries as they apply new ones, all the same ones: another value here
// is another rule for applying commands, and takes a new level (model/command.h).
inline constexpr std::size_t history_per_resource = 64;
inline constexpr std::size_t history_operator_bytes = 32 << 20; // of what operators wrote
inline constexpr std::size_t history_report_bytes = 8 << 20;    // of what agents reported
inline constexpr std::size_t history_entry_overhead = 512;      // what an entry costs beside values

// Snapshots: of the registry, between servers and in files.
inline constexpr std::size_t snapshot_chunk_bytes = 256 << 10; // encoded between other work
inline constexpr std::uint64_t snapshot_bytes = 4ULL << 30;    // more is no registry

// --- control protocol ------------------------------------------------------------------------
inline constexpr std::size_t rpc_message_bytes = 16 << 20; // a whole snapshot fits in chunks of it
inline constexpr std::size_t rpc_streams_per_connection = 256;
inline constexpr std::size_t rpc_buffered_bytes =
    256 << 20; // of all requests that one listener has not handled yet
inline constexpr std::size_t server_connections = 8192; // agents + operators of one server
// Who has shown neither a certificate of a node nor a token: hosts that join, and everybody else.
inline constexpr std::size_t stranger_message_bytes = 64 << 10; // a join token and a CSR
inline constexpr std::size_t stranger_connections = 64;         // the oldest goes for a new one
inline constexpr std::size_t stranger_calls = 8;                // of one connection at a time
inline constexpr auto stranger_patience = 5s;       // without a call, or for its message
inline constexpr std::size_t rpc_handshakes = 1024; // at a time; the oldest goes for a new one
inline constexpr std::size_t proposals_in_flight = 4096;
inline constexpr std::size_t audit_queue =
    16'384; // records: each proposal has two, and certificates
inline constexpr std::size_t audit_listed = 1'000; // records, in one answer
inline constexpr std::size_t watchers = 1024;      // operators' programs, of one server
inline constexpr auto watch_heartbeat = 10s;       // tells a quiet mesh from a broken connection
inline constexpr auto watch_patience = 10s;        // for a watcher that does not read
inline constexpr auto heartbeat_interval = 2s;     // agent → server
inline constexpr auto session_timeout = 7s;        // then its instances go out (≤ 10 s)
inline constexpr auto handshake_timeout = 5s;
inline constexpr auto connect_timeout = 5s;
inline constexpr auto rpc_timeout = 15s;

// --- HTTP/2 ---------------------------------------------------------------------------------
inline constexpr std::size_t header_list_bytes = 64 << 10;
inline constexpr std::size_t headers_per_message = 100;
inline constexpr std::uint32_t tunnel_streams_per_session = 100;
inline constexpr std::int32_t tunnel_stream_window = 1 << 20;
inline constexpr std::int32_t tunnel_session_window = 16 << 20;
inline constexpr std::size_t stream_send_buffer = 256 << 10; // then the producer waits
inline constexpr std::size_t session_send_buffer =
    1 << 20; // ciphertext not yet accepted by the kernel

// --- data plane -------------------------------------------------------------------------------
inline constexpr std::size_t agent_connections = 50'000;
inline constexpr auto tunnel_idle = 5min; // a pooled tunnel with no stream
inline constexpr auto tunnel_ping_interval = 5s;
inline constexpr auto tunnel_ping_timeout = 5s; // dead peer found in interval + timeout
inline constexpr auto drain_deadline = 10s;

// --- TLS --------------------------------------------------------------------------------------
inline constexpr std::size_t certificate_chain = 4; // leaf to root, peers may not send more
inline constexpr std::size_t certificate_bytes = 16 << 10;
inline constexpr std::size_t csr_bytes = 8 << 10;
inline constexpr auto clock_skew = std::chrono::minutes(5);
inline constexpr auto leaf_lifetime = std::chrono::hours(24);
inline constexpr auto join_token_lifetime = std::chrono::minutes(10);

// --- DNS --------------------------------------------------------------------------------------
inline constexpr std::size_t dns_message_bytes = 65'535;
inline constexpr std::size_t dns_udp_answer_bytes = 1232; // the flag-day size
inline constexpr std::size_t dns_forwards_in_flight = 1024;
inline constexpr auto dns_forward_timeout = 3s;
inline constexpr std::uint32_t dns_ttl_seconds = 5;

// --- admin ------------------------------------------------------------------------------------
inline constexpr std::size_t admin_connections = 64;
inline constexpr std::size_t metrics_connections = 16;
inline constexpr std::size_t health_output_bytes = 4096; // kept of a check's output

} // namespace hawser::limits
