// Where a server has the key that seals the authority's keys (ca/seal.h): in the file that its
// operator named, in systemd's credential hawser-ca-key, or else in its data directory, where it
// makes it by itself and hands it on to servers that join.
#pragma once

#include <string>

#include "base/result.h"
#include "ca/seal.h"
#include "config/server_config.h"

namespace hawser::server {

struct SealingKeyPlace {
    enum class Kind : std::uint8_t { own, named, credential };
    std::string path;
    Kind kind = Kind::own;
    // The operator brings it to every server; nobody hands it on.
    [[nodiscard]] bool from_operator() const { return kind != Kind::own; }
};

[[nodiscard]] SealingKeyPlace sealing_key_place(const config::ServerConfig& config);

// Errors name the file, and what makes one.
[[nodiscard]] Result<ca::SealingKey> read_sealing_key(const SealingKeyPlace& place);
// One in the data directory is made if it is not there; an operator's must be.
[[nodiscard]] Result<ca::SealingKey> read_or_make_sealing_key(const SealingKeyPlace& place);
// Into the data directory.
[[nodiscard]] Result<void> store_sealing_key(const SealingKeyPlace& place,
                                             const ca::SealingKey& key);

} // namespace hawser::server
