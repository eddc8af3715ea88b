// AES-GCM of every engine that this processor has: NIST's vectors, and all of them against mbedTLS.
#include "tls/aead.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "tls/gcm_vectors.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

std::vector<Engine> engines() {
    std::vector<Engine> all = {Engine::mbedtls, Engine::aesni, Engine::vaes_avx2,
                               Engine::vaes_avx512};
    std::erase_if(all, [](Engine engine) { return !runs_here(engine); });
    return all;
}

std::string bytes_of(std::string_view hex) {
    return from_hex(hex).value();
}

Nonce nonce_of(std::string_view bytes) {
    REQUIRE(bytes.size() == nonce_bytes);
    Nonce nonce;
    std::ranges::copy(as_bytes(bytes), nonce.begin());
    return nonce;
}

std::unique_ptr<Aead> gcm(std::string_view key, Engine engine) {
    const auto cipher = key.size() == 16 ? MBEDTLS_CIPHER_AES_128_GCM : MBEDTLS_CIPHER_AES_256_GCM;
    return make_aead(cipher, as_bytes(key), engine);
}

std::uint8_t* data_of(std::string& text) {
    return reinterpret_cast<std::uint8_t*>(text.data());
}

std::string sealed(Aead& aead, std::string_view nonce, std::string_view aad, std::string text) {
    const std::size_t count = text.size();
    text.resize(count + tag_bytes);
    aead.seal(nonce_of(nonce), as_bytes(aad), data_of(text), count);
    return text;
}

// Nothing if it is refused; then no byte of the plaintext may be left.
std::optional<std::string> opened(Aead& aead, std::string_view nonce, std::string_view aad,
                                  std::string text) {
    const bool good = aead.open(nonce_of(nonce), as_bytes(aad), {data_of(text), text.size()});
    text.resize(text.size() - tag_bytes);
    if (good) return text;
    CHECK(std::ranges::all_of(text, [](char byte) { return byte == 0; }));
    return std::nullopt;
}

std::string random_text(Random& random, std::size_t size) {
    std::string text(size, '\0');
    for (char& byte : text) byte = static_cast<char>(random.below(256));
    return text;
}

} // namespace

TEST_CASE("AES-GCM does what NIST's vectors say, by every engine") {
    for (const Engine engine : engines()) {
        for (const GcmVector& vector : gcm_vectors) {
            CAPTURE(engine_name(engine));
            CAPTURE(vector.tag);
            const auto aead = gcm(bytes_of(vector.key), engine);
            const std::string nonce = bytes_of(vector.iv), aad = bytes_of(vector.aad);
            const std::string text = bytes_of(vector.ciphertext) + bytes_of(vector.tag);
            if (vector.plaintext == refused) {
                CHECK_FALSE(opened(*aead, nonce, aad, text));
                continue;
            }
            CHECK(sealed(*aead, nonce, aad, bytes_of(vector.plaintext)) == text);
            CHECK(opened(*aead, nonce, aad, text) == bytes_of(vector.plaintext));
        }
    }
}

TEST_CASE("all engines of AES-GCM agree, at every length and alignment") {
    Random random(8446);
    std::vector<std::size_t> lengths = {1399,   1400,   4096,   16'383, 16'384,
                                        16'385, 16'640, 16'641, 65'535, 100'003};
    for (std::size_t length = 0; length <= 600; ++length) lengths.push_back(length);
    for (const std::size_t length : lengths) {
        const std::string key = random_text(random, random.below(2) == 0 ? 16 : 32);
        const std::string nonce = random_text(random, nonce_bytes);
        const std::string aad = random_text(random, random.below(4) == 0 ? random.below(80) : 5);
        const std::string plaintext = random_text(random, length);
        const std::string expected = sealed(*gcm(key, Engine::mbedtls), nonce, aad, plaintext);
        for (const Engine engine : engines()) {
            CAPTURE(engine_name(engine));
            CAPTURE(length);
            const auto aead = gcm(key, engine);
            std::vector<std::uint8_t> room(length + 64 + tag_bytes + 32, 0xa5);
            const std::size_t begin = random.below(64), end = begin + length + tag_bytes;
            const std::span<std::uint8_t> record = std::span(room).subspan(begin, end - begin);
            std::ranges::copy(as_bytes(plaintext), record.begin());
            aead->seal(nonce_of(nonce), as_bytes(aad), record.data(), length);
            CHECK((as_text(record) == expected));
            CHECK(aead->open(nonce_of(nonce), as_bytes(aad), record));
            CHECK((as_text(record.first(length)) == plaintext));
            const auto untouched = [](std::uint8_t byte) { return byte == 0xa5; };
            CHECK(std::all_of(room.begin(), room.begin() + static_cast<long>(begin), untouched));
            CHECK(std::all_of(room.begin() + static_cast<long>(end), room.end(), untouched));
        }
    }
}

TEST_CASE("no engine opens a record with one bit changed, nor leaves its plaintext") {
    Random random(53);
    for (const Engine engine : engines()) {
        CAPTURE(engine_name(engine));
        for (const std::size_t length : {0, 1, 37, 300}) {
            const auto aead = gcm(random_text(random, 16), engine);
            const std::string nonce = random_text(random, nonce_bytes),
                              aad = random_text(random, 5);
            const std::string plaintext = random_text(random, length);
            const std::string text = sealed(*aead, nonce, aad, plaintext);
            const auto changed = [](std::string bytes, std::size_t bit) {
                bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
                return bytes;
            };
            for (std::size_t bit = 0; bit < text.size() * 8; ++bit)
                CHECK_FALSE(opened(*aead, nonce, aad, changed(text, bit)));
            for (std::size_t bit = 0; bit < nonce.size() * 8; ++bit)
                CHECK_FALSE(opened(*aead, changed(nonce, bit), aad, text));
            for (std::size_t bit = 0; bit < aad.size() * 8; ++bit)
                CHECK_FALSE(opened(*aead, nonce, changed(aad, bit), text));
            CHECK_FALSE(opened(*gcm(random_text(random, 16), engine), nonce, aad, text));
            CHECK(opened(*aead, nonce, aad, text) == plaintext);
        }
    }
}

TEST_CASE("other ciphers are mbedTLS's, whatever the engine") {
    // RFC 8439, section 2.8.2.
    const auto key = bytes_of("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    const auto aead = make_aead(MBEDTLS_CIPHER_CHACHA20_POLY1305, as_bytes(key), best_engine());
    const auto nonce = bytes_of("070000004041424344454647"),
               aad = bytes_of("50515253c0c1c2c3c4c5c6c7");
    const std::string plaintext =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
        "future, sunscreen would be it.";
    std::string text = sealed(*aead, nonce, aad, plaintext);
    CHECK(to_hex(as_bytes(text.substr(plaintext.size()))) == "1ae10b594f09e26a7e902ecbd0600691");
    CHECK(opened(*aead, nonce, aad, text) == plaintext);
    text[0] = static_cast<char>(text[0] ^ 1);
    CHECK_FALSE(opened(*aead, nonce, aad, text));
}
