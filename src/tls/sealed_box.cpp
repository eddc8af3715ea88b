#include "tls/sealed_box.h"

#include <algorithm>
#include <memory>

#include "base/check.h"
#include "base/random.h"
#include "tls/aead.h"

namespace hawser::tls {

namespace {

// Seldom used, so the engine that every processor has.
std::unique_ptr<Aead> cipher_of(ByteView key) {
    HAWSER_CHECK(key.size() == box_key_bytes);
    return make_aead(MBEDTLS_CIPHER_AES_256_GCM, key, Engine::mbedtls);
}

} // namespace

std::string seal_box(ByteView key, std::string_view context, std::string_view plaintext) {
    Nonce nonce;
    fill_secure_random(nonce);
    std::string box(as_text(nonce));
    box.append(plaintext);
    box.append(tag_bytes, '\0');
    auto* bytes = reinterpret_cast<std::uint8_t*>(box.data()) + nonce_bytes;
    cipher_of(key)->seal(nonce, as_bytes(context), bytes, plaintext.size());
    return box;
}

Result<SecretText> open_box(ByteView key, std::string_view context, std::string_view box) {
    if (box.size() < nonce_bytes + tag_bytes) return fail(ErrorCode::corrupt, "it is cut off");
    Nonce nonce;
    std::ranges::copy(as_bytes(box.substr(0, nonce_bytes)), nonce.begin());
    std::string text(box.substr(nonce_bytes));
    auto* bytes = reinterpret_cast<std::uint8_t*>(text.data());
    if (!cipher_of(key)->open(nonce, as_bytes(context), {bytes, text.size()}))
        return fail(ErrorCode::corrupt, "it was changed, or is of another key");
    text.resize(text.size() - tag_bytes);
    return SecretText(std::move(text));
}

} // namespace hawser::tls
