// Join tokens and operator tokens as text.
//
// A join token is "hwj1." + base64url of: version, root pin (32 bytes), id, secret, node, expiry
// and the servers to try; a checksum tells a mistyped token from a wrong one. The secret and the
// pin are the only security-relevant parts: the server decides by its own row, not by the text.
// With "hws1." instead it is for a new server of that name.
// An operator token is "hwo1.<id>.<secret>".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/units.h"

namespace hawser::ca {

struct JoinTokenText {
    std::string root_pin; // SHA-256 of the root's DER, 32 bytes
    std::string id;       // 8 random bytes, hex
    std::string secret;   // 32 random bytes
    std::string node;
    std::string server; // then it is for no node
    WallTime expires_at = 0;
    std::vector<Endpoint> servers; // may be empty: then `hawser join` needs them

    [[nodiscard]] std::string to_text() const;
    static Result<JoinTokenText> parse(std::string_view text);
};

struct OperatorTokenText {
    std::string id;     // 8 random bytes, hex
    std::string secret; // 32 random bytes

    [[nodiscard]] std::string to_text() const;
    static Result<OperatorTokenText> parse(std::string_view text);
};

[[nodiscard]] std::string new_token_id();
[[nodiscard]] std::string new_token_secret();
[[nodiscard]] std::string hash_secret(std::string_view secret); // SHA-256: the secret is random

} // namespace hawser::ca
