// Against NIST's examples, and in pieces of every size.
#include "base/sha256.h"

#include <doctest/doctest.h>

#include "base/random.h"

using namespace hawser;

namespace {

std::string sha256(std::string_view text) {
    Sha256 hash;
    hash.add(as_bytes(text));
    return to_hex(as_bytes(hash.digest()));
}

} // namespace

TEST_CASE("the examples of the standard") {
    CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(sha256(std::string(1'000'000, 'a')) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("pieces give the same as the whole, and a digest ends nothing") {
    Random random(7);
    std::string text;
    for (int i = 0; i < 1000; ++i) text.push_back(static_cast<char>(random.next()));
    for (int round = 0; round < 200; ++round) {
        const std::size_t length = random.below(text.size());
        const std::string_view whole = std::string_view(text).substr(0, length);
        Sha256 hash;
        for (std::size_t at = 0; at < length;) {
            const std::size_t piece = random.below(130) + 1;
            hash.add(as_bytes(whole.substr(at, piece)));
            at += piece;
            (void)hash.digest();
        }
        CHECK(to_hex(as_bytes(hash.digest())) == sha256(whole));
    }
}
