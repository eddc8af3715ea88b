// The sealing key: 32 bytes that the operator controls, and without which the authority's private
// keys, which lie sealed in the registry and in its snapshots, are worth nothing.
//
// A sealed key is a version, the key's id and a box (tls/sealed_box.h) that opens for its own
// purpose only: a wrong key is told from damage, and a root's key cannot pass for another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tls/secret.h"

namespace hawser::ca {

enum class SealedPurpose : std::uint8_t { root_key, signing_key };

class SealingKey {
  public:
    static SealingKey make();
    // As it stands in a file: 64 hex digits, or 32 bytes.
    static Result<SealingKey> parse(std::string_view text);

    // The beginning of its hash, in hex: tells keys apart, and tells nothing of them.
    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] std::string to_text() const; // hex, with a newline

    [[nodiscard]] std::string seal(SealedPurpose purpose, std::string_view secret) const;
    [[nodiscard]] Result<tls::SecretText> open(SealedPurpose purpose,
                                               std::string_view sealed) const;

  private:
    explicit SealingKey(std::string bytes);
    tls::SecretText bytes_;
    std::string id_;
};

} // namespace hawser::ca
