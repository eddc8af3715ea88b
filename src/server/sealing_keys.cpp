#include "server/sealing_keys.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/bytes.h"
#include "host/files.h"
#include "server/secret_files.h"

namespace hawser::server {

namespace {

constexpr std::size_t longest_text = 4 << 10;

bool exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

} // namespace

SealingKeyPlace sealing_key_place(const config::ServerConfig& config) {
    using Kind = SealingKeyPlace::Kind;
    if (config.ca.sealing_key_file)
        return {.path = *config.ca.sealing_key_file, .kind = Kind::named};
    if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY")) {
        const std::string path = std::string(credentials) + "/hawser-ca-key";
        if (exists(path)) return {.path = path, .kind = Kind::credential};
    }
    return {.path = config.data_dir + "/ca/sealing.key", .kind = Kind::own};
}

// systemd keeps a credential private in ways of its own, which its mode may not show.
Result<ca::SealingKey> read_sealing_key(const SealingKeyPlace& place) {
    Result<std::string> text = place.kind == SealingKeyPlace::Kind::credential
                                   ? host::read_file(place.path, longest_text)
                                   : read_secret_file(place.path);
    if (!text) return fail(std::move(text.error()), "the authority's sealing key");
    Result<ca::SealingKey> key = ca::SealingKey::parse(*text);
    tls::wipe(*text);
    if (!key) return fail(std::move(key.error()), place.path);
    return key;
}

Result<ca::SealingKey> read_or_make_sealing_key(const SealingKeyPlace& place) {
    if (place.from_operator() || exists(place.path)) return read_sealing_key(place);
    ca::SealingKey key = ca::SealingKey::make();
    if (Result<void> stored = store_sealing_key(place, key); !stored)
        return fail(std::move(stored.error()));
    return key;
}

Result<void> store_sealing_key(const SealingKeyPlace& place, const ca::SealingKey& key) {
    const std::string folder = std::filesystem::path(place.path).parent_path();
    if (Result<void> made = make_secret_directory(folder); !made) return made;
    return write_secret_file(place.path, key.to_text());
}

} // namespace hawser::server
