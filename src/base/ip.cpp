#include "base/ip.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"

namespace hawser {

namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Decimal without sign, spaces or leading zeros, at most `max`; false otherwise.
bool parse_decimal(std::string_view text, unsigned max, unsigned& value) {
    if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    return error == std::errc{} && end == last && value <= max;
}

std::size_t hash_bytes(const std::array<std::uint8_t, 16>& bytes, std::uint64_t salt) {
    std::uint64_t words[2];
    std::memcpy(words, bytes.data(), sizeof words);
    // Two multiplications with odd constants, each folded: enough for a table we fill ourselves.
    std::uint64_t hash = (words[0] ^ salt) * 0x9e3779b97f4a7c15;
    hash = (hash ^ hash >> 32 ^ words[1]) * 0xd6e8feb86659fd93;
    return static_cast<std::size_t>(hash ^ hash >> 32);
}

std::unexpected<Error> not_an_endpoint(std::string_view text) {
    return fail(
        ErrorCode::invalid,
        quote(text) + " is not ADDRESS:PORT (like \"10.0.0.1:7443\" or \"[fd00::1]:7443\")");
}

} // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
    char terminated[INET6_ADDRSTRLEN]; // inet_pton wants a C string; no address is longer
    if (text.size() < sizeof terminated && !text.contains('\0')) {
        *std::copy(text.begin(), text.end(), terminated) = '\0';
        in_addr v4_bytes{};
        if (::inet_pton(AF_INET, terminated, &v4_bytes) == 1) return v4(ntohl(v4_bytes.s_addr));
        std::array<std::uint8_t, 16> v6_bytes{};
        if (::inet_pton(AF_INET6, terminated, v6_bytes.data()) == 1) return v6(v6_bytes);
    }
    return fail(ErrorCode::invalid, quote(text) + " is not an IP address");
}

bool IpAddress::is_v4() const {
    return std::memcmp(bytes_.data(), v4_prefix.data(), v4_prefix.size()) == 0;
}

bool IpAddress::is_unspecified() const {
    return *this == IpAddress{} || *this == v4(0);
}

bool IpAddress::is_loopback() const {
    if (is_v4()) return bytes_[12] == 127;
    IpAddress loopback;
    loopback.bytes_[15] = 1;
    return *this == loopback;
}

std::uint32_t IpAddress::v4_host_order() const {
    return static_cast<std::uint32_t>(bytes_[12]) << 24 |
           static_cast<std::uint32_t>(bytes_[13]) << 16 |
           static_cast<std::uint32_t>(bytes_[14]) << 8 | bytes_[15];
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN];
    const bool short_form = is_v4();
    ::inet_ntop(short_form ? AF_INET : AF_INET6, bytes_.data() + (short_form ? 12 : 0), text,
                sizeof text);
    return text;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return not_an_endpoint(text);
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
    if (bracketed) host = host.substr(1, host.size() - 2);
    const Result<IpAddress> address = IpAddress::parse(host);
    unsigned port = 0;
    // Brackets if and only if it is written as IPv6: "fd00::1:80" could mean two things.
    if (!address || bracketed != host.contains(':') ||
        !parse_decimal(text.substr(colon + 1), 65535, port)) {
        return not_an_endpoint(text);
    }
    return Endpoint{.address = *address, .port = static_cast<std::uint16_t>(port)};
}

std::string Endpoint::to_string() const {
    const std::string host = address.to_string();
    std::string text = address.is_v4() ? host : "[" + host + "]";
    return text.append(":").append(std::to_string(port));
}

Result<Cidr> Cidr::parse(std::string_view text) {
    const std::size_t slash = text.find('/');
    const Result<IpAddress> base = IpAddress::parse(text.substr(0, slash));
    unsigned length = 0;
    if (slash == std::string_view::npos || !base ||
        !parse_decimal(text.substr(slash + 1), base->is_v4() ? 32 : 128, length)) {
        return fail(ErrorCode::invalid,
                    quote(text) + " is not a prefix (like \"240.0.0.0/8\" or \"fd68:6177::/64\")");
    }
    std::array<std::uint8_t, 16> bytes = base->bytes();
    const unsigned fixed = length + (base->is_v4() ? 96 : 0);
    for (unsigned bit = fixed; bit < 128; ++bit) {
        bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
    }
    const Cidr cidr{.base = IpAddress::v6(bytes), .length = static_cast<std::uint8_t>(length)};
    if (cidr.base != *base) {
        return fail(ErrorCode::invalid,
                    quote(text) + " has host bits set; did you mean '" + cidr.to_string() + "'?");
    }
    return cidr;
}

bool Cidr::contains(const IpAddress& address) const {
    if (base.is_v4() != address.is_v4()) return false;
    const unsigned fixed = length + (base.is_v4() ? 96U : 0U);
    const unsigned whole = fixed / 8;
    if (std::memcmp(base.bytes().data(), address.bytes().data(), whole) != 0) return false;
    if (fixed % 8 == 0) return true;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> fixed % 8);
    return ((base.bytes()[whole] ^ address.bytes()[whole]) & mask) == 0;
}

std::string Cidr::to_string() const {
    return base.to_string() + "/" + std::to_string(length);
}

} // namespace hawser

std::size_t std::hash<hawser::IpAddress>::operator()(
    const hawser::IpAddress& address) const noexcept {
    return hawser::hash_bytes(address.bytes(), 0);
}

std::size_t std::hash<hawser::Endpoint>::operator()(
    const hawser::Endpoint& endpoint) const noexcept {
    return hawser::hash_bytes(endpoint.address.bytes(), endpoint.port);
}
