// gRPC's framing over HTTP/2: length-prefixed messages, statuses in trailers, timeouts as text.
// Pure. Source: the gRPC over HTTP/2 protocol description.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "http/h2_connection.h"

namespace hawser::rpc {

inline constexpr std::string_view content_type = "application/grpc+proto";
inline constexpr std::size_t prefix_bytes = 5; // compressed flag, length

// The bytes of one message on a stream.
[[nodiscard]] std::string frame(std::string_view message);

// Cuts a stream of bytes into messages.
class MessageParser {
  public:
    explicit MessageParser(std::size_t longest = limits::rpc_message_bytes) : longest_(longest) {}

    // Fails for good at a message that is longer than the longest, before it is taken in.
    [[nodiscard]] Result<void> feed(ByteView bytes);
    [[nodiscard]] bool empty() const { return messages_.empty(); }
    [[nodiscard]] std::string take(); // not empty()
    [[nodiscard]] bool within_message() const { return !prefix_.empty(); }
    // The memory of all that, what surrounds each message included: many empty ones cost too.
    [[nodiscard]] std::size_t held() const;

  private:
    [[nodiscard]] Result<void> begin_message();
    void append(std::string_view part);

    std::size_t longest_;
    std::string prefix_;     // of the message that is coming
    std::size_t length_ = 0; // of it, once the prefix is there
    std::string partial_;    // what came of it
    std::deque<std::string> messages_;
    std::size_t held_ = 0; // by messages_
};

// grpc-status and grpc-message, as trailers or (with :status) as the whole answer.
[[nodiscard]] http::Headers status_trailers(const Result<void>& status);
[[nodiscard]] http::Headers response_headers();
// What a stream's headers and trailers say of its end; nothing: they carry no grpc-status.
[[nodiscard]] std::optional<Result<void>> parse_status(const http::Headers& headers);
// An answer that is no gRPC at all: why. Ok: go on.
[[nodiscard]] Result<void> check_response_headers(const http::Headers& headers);

// "15000m"; at most eight digits.
[[nodiscard]] std::string format_timeout(std::chrono::milliseconds timeout);
// Nothing: malformed. Saturates at an hour.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_timeout(std::string_view text);

} // namespace hawser::rpc
