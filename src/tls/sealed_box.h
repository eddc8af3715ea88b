// Secrets for storage: AES-256-GCM under a key of 32 bytes, each with a random nonce of its own.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "tls/secret.h"

namespace hawser::tls {

inline constexpr std::size_t box_key_bytes = 32;

// Nonce, ciphertext, tag. `context` is not in it, but must be said again to open it.
[[nodiscard]] std::string seal_box(ByteView key, std::string_view context,
                                   std::string_view plaintext);
// Fails where anything was changed, and with another key or context.
[[nodiscard]] Result<SecretText> open_box(ByteView key, std::string_view context,
                                          std::string_view box);

} // namespace hawser::tls
