#include "ca/seal.h"

#include <doctest/doctest.h>

using namespace hawser;
using namespace hawser::ca;

namespace {

constexpr std::string_view secret = "-----BEGIN EC PRIVATE KEY-----";

std::string why(const Result<tls::SecretText>& result) {
    return result ? "opened: " + result->text() : result.error().message;
}

} // namespace

TEST_CASE("a sealed key opens under its own key, for its own purpose") {
    const SealingKey key = SealingKey::make();
    const std::string sealed = key.seal(SealedPurpose::signing_key, secret);
    CHECK(sealed.find(secret) == std::string::npos);
    CHECK(key.open(SealedPurpose::signing_key, sealed)->text() == secret);
    CHECK(why(key.open(SealedPurpose::root_key, sealed)) == "the sealed key is damaged");
    CHECK(key.seal(SealedPurpose::signing_key, secret) != sealed); // a nonce of its own
    CHECK(key.open(SealedPurpose::root_key, key.seal(SealedPurpose::root_key, ""))->empty());
}

TEST_CASE("another key, damage and newer forms are told apart") {
    const SealingKey key = SealingKey::make(), other = SealingKey::make();
    const std::string sealed = key.seal(SealedPurpose::signing_key, secret);
    CHECK(why(other.open(SealedPurpose::signing_key, sealed)) ==
          "it is sealed under the key " + key.id() + ", this one is " + other.id());
    for (std::size_t at = 9; at < sealed.size(); ++at) { // behind version and id
        std::string damaged = sealed;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        CAPTURE(at);
        CHECK(why(key.open(SealedPurpose::signing_key, damaged)) == "the sealed key is damaged");
    }
    for (std::size_t size = 0; size < sealed.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(key.open(SealedPurpose::signing_key, sealed.substr(0, size)));
    }
    std::string newer = sealed;
    newer[0] = 2;
    CHECK(why(key.open(SealedPurpose::signing_key, newer)) ==
          "the key is sealed in form 2, which this version does not know");
}

TEST_CASE("a sealing key is read as hex or as bytes, and nothing else is one") {
    const SealingKey key = SealingKey::make();
    const std::string text = key.to_text();
    CHECK(text.size() == 65);
    CHECK(SealingKey::parse(text)->id() == key.id());
    CHECK(SealingKey::parse("  " + text + "\n")->id() == key.id());
    CHECK(SealingKey::parse(std::string(32, 'k'))->id() ==
          SealingKey::parse("6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b6b")
              ->id());
    CHECK(key.id().size() == 16);
    CHECK(text.find(key.id()) == std::string::npos);
    for (const std::string_view bad : {"", "\n", "00ff", "not hex"}) {
        CHECK_FALSE(SealingKey::parse(bad));
    }
    CHECK_FALSE(SealingKey::parse(text + text));
    CHECK_FALSE(SealingKey::parse(std::string(64, 'x')));
}
