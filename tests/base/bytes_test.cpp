#include "base/bytes.h"

#include <doctest/doctest.h>

#include "base/random.h"

using namespace hawser;

TEST_CASE("hex is read back, and nothing else is accepted") {
    CHECK(to_hex(as_bytes(std::string_view("\x00\xff\x1a", 3))) == "00ff1a");
    CHECK(from_hex("00Ff1a").value() == std::string_view("\x00\xff\x1a", 3));
    CHECK(from_hex("").value().empty());
    CHECK_FALSE(from_hex("0").has_value());
    CHECK_FALSE(from_hex("0g").has_value());
}

TEST_CASE("base64url: the vectors of RFC 4648 §10, without padding") {
    const std::pair<std::string_view, std::string_view> vectors[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "-_8"},
    };
    for (const auto& [bytes, text] : vectors) {
        CHECK(to_base64url(as_bytes(bytes)) == text);
        CHECK(from_base64url(text).value() == bytes);
    }
    CHECK_FALSE(from_base64url("Z").has_value());
    CHECK_FALSE(from_base64url("Zg==").has_value());
    CHECK_FALSE(from_base64url("Zh").has_value()); // stray bits: a second spelling of "f"
    CHECK_FALSE(from_base64url("a+b/").has_value());
}

TEST_CASE("base64url and hex of random bytes are read back") {
    Random random(1);
    for (int round = 0; round < 200; ++round) {
        std::string bytes(random.below(70), '\0');
        for (char& byte : bytes) byte = static_cast<char>(random.next());
        CHECK(from_base64url(to_base64url(as_bytes(bytes))).value() == bytes);
        CHECK(from_hex(to_hex(as_bytes(bytes))).value() == bytes);
    }
}

TEST_CASE("CRC-32C: known values, in one piece or continued") {
    CHECK(crc32c({}) == 0);
    CHECK(crc32c(as_bytes("123456789")) == 0xe3069283);
    CHECK(crc32c(as_bytes(std::string(32, '\0'))) == 0x8a9136aa); // RFC 3720 B.4
    CHECK(crc32c(as_bytes(std::string(32, '\xff'))) == 0x62a8ab43);
    const std::string text = "a record that is longer than one step of eight bytes";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const std::uint32_t first = crc32c(as_bytes(text.substr(0, cut)));
        CHECK(crc32c(as_bytes(text.substr(cut)), first) == crc32c(as_bytes(text)));
    }
}

TEST_CASE("UTF-8: well-formed only") {
    CHECK(is_utf8("plain"));
    CHECK(is_utf8("é 世 \xf0\x9f\x98\x80"));
    CHECK_FALSE(is_utf8("\x80"));     // a continuation alone
    CHECK_FALSE(is_utf8("\xc3"));     // cut off
    CHECK_FALSE(is_utf8("\xc0\xaf")); // overlong '/'
    CHECK_FALSE(is_utf8("\xe0\x80\xaf"));
    CHECK_FALSE(is_utf8("\xed\xa0\x80"));     // a surrogate
    CHECK_FALSE(is_utf8("\xf4\x90\x80\x80")); // over U+10FFFF
    CHECK_FALSE(is_utf8("\xff"));
}

TEST_CASE("quoted text can neither break a line nor move a terminal's cursor") {
    CHECK(quote("api") == "'api'");
    CHECK(quote("a\nb\x1b[2J\x7f") == R"('a\x0ab\x1b[2J\x7f')");
    CHECK(quote("caf\xc3\xa9") == "'caf\xc3\xa9'");
    CHECK(quote("\xc2\x9b"
                "31m") == R"('\xc2\x9b31m')"); // U+009B: CSI in one character
    CHECK(quote("bad \xff") == R"('bad \xff')");
    CHECK(quote("abcdef", 3) == "'abc…'");
    CHECK(quote("ab\xc3\xa9", 3) == "'ab…'"); // never half a character
}

TEST_CASE("constant-time comparison compares") {
    CHECK(equal_constant_time("", ""));
    CHECK(equal_constant_time("secret", "secret"));
    CHECK_FALSE(equal_constant_time("secret", "Secret"));
    CHECK_FALSE(equal_constant_time("secret", "secre"));
}
