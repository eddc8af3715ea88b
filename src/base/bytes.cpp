#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace hawser {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";
constexpr char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::uint8_t no_digit = 0xff;

constexpr std::array<std::uint8_t, 256> digit_values(std::string_view digits) {
    std::array<std::uint8_t, 256> values;
    values.fill(no_digit);
    for (std::size_t i = 0; i < digits.size(); ++i) {
        values[static_cast<std::uint8_t>(digits[i])] = static_cast<std::uint8_t>(i);
    }
    return values;
}

constexpr auto base64url_values = digit_values({base64url_digits, 64});

constexpr std::uint8_t hex_value(char c) {
    if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
    return no_digit;
}

// Slicing by 8: table k holds the effect of a byte that k more bytes follow.
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr CrcTables make_crc_tables() {
    constexpr std::uint32_t polynomial = 0x82f63b78; // Castagnoli, reflected
    CrcTables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t k = 1; k < tables.size(); ++k) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t before = tables[k - 1][byte];
            tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
        }
    }
    return tables;
}

constexpr CrcTables crc_tables = make_crc_tables();

std::uint64_t load_little_endian(const std::uint8_t* bytes) {
    std::uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
    return word;
}

} // namespace

std::string to_hex(ByteView bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const std::uint8_t byte : bytes) {
        text.push_back(hex_digits[byte >> 4]);
        text.push_back(hex_digits[byte & 0xf]);
    }
    return text;
}

Result<std::string> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return fail(ErrorCode::invalid, "odd number of hex digits");
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const std::uint8_t high = hex_value(text[i]);
        const std::uint8_t low = hex_value(text[i + 1]);
        if (high == no_digit || low == no_digit) {
            return fail(ErrorCode::invalid, "not a hex digit");
        }
        bytes.push_back(static_cast<char>(high << 4 | low));
    }
    return bytes;
}

std::string to_base64url(ByteView bytes) {
    std::string text;
    text.reserve((bytes.size() * 4 + 2) / 3);
    std::uint32_t pending = 0;
    int bits = 0;
    for (const std::uint8_t byte : bytes) {
        pending = pending << 8 | byte;
        for (bits += 8; bits >= 6;) {
            bits -= 6;
            text.push_back(base64url_digits[pending >> bits & 0x3f]);
        }
    }
    if (bits > 0) text.push_back(base64url_digits[pending << (6 - bits) & 0x3f]);
    return text;
}

Result<std::string> from_base64url(std::string_view text) {
    if (text.size() % 4 == 1) return fail(ErrorCode::invalid, "base64 of an impossible length");
    std::string bytes;
    bytes.reserve(text.size() * 3 / 4);
    std::uint32_t pending = 0;
    int bits = 0;
    for (const char c : text) {
        const std::uint8_t value = base64url_values[static_cast<std::uint8_t>(c)];
        if (value == no_digit) return fail(ErrorCode::invalid, "not a base64url character");
        pending = pending << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes.push_back(static_cast<char>(pending >> bits & 0xff));
        }
    }
    // One text per value: the bits that carry nothing must be zero.
    if ((pending & ((1U << bits) - 1)) != 0) {
        return fail(ErrorCode::invalid, "base64 with stray bits at its end");
    }
    return bytes;
}

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
    std::uint32_t crc = ~seed;
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; at += 8, left -= 8) {
        const std::uint64_t word = load_little_endian(at) ^ crc;
        crc = 0;
        for (std::size_t k = 0; k < 8; ++k) crc ^= crc_tables[7 - k][word >> (8 * k) & 0xff];
    }
    for (; left > 0; ++at, --left) crc = (crc >> 8) ^ crc_tables[0][(crc ^ *at) & 0xff];
    return ~crc;
}

std::size_t utf8_sequence_length(std::string_view text) {
    if (text.empty()) return 0;
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    if (first < 0x80) return 1;
    std::size_t length = 0;
    // The second byte's range excludes overlong forms, surrogates and code points too large.
    std::uint8_t low = 0x80, high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        if (first == 0xe0) low = 0xa0;
        if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        if (first == 0xf0) low = 0x90;
        if (first == 0xf4) high = 0x8f;
    }
    if (length == 0 || text.size() < length || byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    }
    return length;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_sequence_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string printable(std::string_view text, std::size_t limit) {
    std::string out;
    std::size_t taken = 0;
    while (taken < text.size()) {
        const std::string_view rest = text.substr(taken);
        const std::size_t length = std::max<std::size_t>(utf8_sequence_length(rest), 1);
        if (taken + length > limit) return out + "…";
        const auto first = static_cast<std::uint8_t>(rest[0]);
        const bool invalid = length == 1 && first >= 0x80;
        // U+0080–U+009F are control characters too: some terminals obey them.
        const bool c1 = length == 2 && first == 0xc2 && static_cast<std::uint8_t>(rest[1]) < 0xa0;
        if (invalid || c1 || first < 0x20 || first == 0x7f) {
            for (const char c : rest.substr(0, length)) {
                const auto value = static_cast<std::uint8_t>(c);
                out.append({'\\', 'x', hex_digits[value >> 4], hex_digits[value & 0xf]});
            }
        } else {
            out.append(rest.substr(0, length));
        }
        taken += length;
    }
    return out;
}

std::string quote(std::string_view text, std::size_t limit) {
    return "'" + printable(text, limit) + "'";
}

bool equal_constant_time(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    // volatile: the compiler may not leave the loop at the first difference.
    volatile unsigned char difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    }
    return difference == 0;
}

} // namespace hawser
