// Text forms of bytes, and the checksum of stored records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser {

using ByteView = std::span<const std::uint8_t>;

[[nodiscard]] inline ByteView as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] std::string to_hex(ByteView bytes);
[[nodiscard]] Result<std::string> from_hex(std::string_view text);

// URL-safe base64 without padding (RFC 4648 §5), as tokens use it.
[[nodiscard]] std::string to_base64url(ByteView bytes);
[[nodiscard]] Result<std::string> from_base64url(std::string_view text);

// CRC-32C (Castagnoli) of bytes, continued from `seed`.
[[nodiscard]] std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

// The text for a message or a screen: control characters and bytes that are not UTF-8 as \xNN,
// cut after `limit` bytes. What a user or a peer sent is never shown in any other way.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 80);
// The same in single quotes.
[[nodiscard]] std::string quote(std::string_view text, std::size_t limit = 80);

// Whether the text is well-formed UTF-8 (RFC 3629: no surrogates, nothing over U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text);

// The length of the well-formed UTF-8 sequence that `text` begins with; 0 if there is none.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text);

// Compares secrets in time that depends only on their length.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

} // namespace hawser
