// DER by hand, for tests and fuzzers: to write what no library would.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace hawser::tls::test {

inline std::string der_length(std::size_t length) {
    if (length < 0x80) return {static_cast<char>(length)};
    std::string digits;
    for (; length > 0; length >>= 8) digits.insert(digits.begin(), static_cast<char>(length));
    return static_cast<char>(0x80 + digits.size()) + digits;
}

inline std::string der(int tag, std::string_view content) {
    return static_cast<char>(tag) + der_length(content.size()) + std::string(content);
}

inline std::string der(int tag, std::initializer_list<std::string_view> parts) {
    std::string content;
    for (const std::string_view part : parts) content += part;
    return der(tag, content);
}

inline std::string der_sequence(std::initializer_list<std::string_view> parts) {
    return der(0x30, parts);
}

inline std::string der_oid(std::string_view id) {
    return der(0x06, id);
}

// A URI among a certificate's alternative names.
inline std::string der_uri(std::string_view uri) {
    return der(0x86, uri);
}

inline std::string der_extension(std::string_view id, std::string_view value,
                                 bool critical = false) {
    using namespace std::string_view_literals;
    return der_sequence({der_oid(id), critical ? "\x01\x01\xff"sv : ""sv, der(0x04, value)});
}

inline constexpr std::string_view id_alternative_names = "\x55\x1d\x11";
inline constexpr std::string_view id_key_usage = "\x55\x1d\x0f";
inline constexpr std::string_view id_extended_key_usage = "\x55\x1d\x25";
inline constexpr std::string_view id_basic_constraints = "\x55\x1d\x13";
inline constexpr std::string_view id_name_constraints = "\x55\x1d\x1e";
inline constexpr std::string_view id_server_auth = "\x2b\x06\x01\x05\x05\x07\x03\x01";
inline constexpr std::string_view id_client_auth = "\x2b\x06\x01\x05\x05\x07\x03\x02";

} // namespace hawser::tls::test
