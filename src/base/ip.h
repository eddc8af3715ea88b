// IP addresses, endpoints and prefixes as plain values: pure rooms need them without sockets.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser {

// IPv4 or IPv6. An IPv4 address is kept in the v4-mapped form ::ffff:a.b.c.d, so that equality
// and hashing need no case distinction; is_v4() tells.
class IpAddress {
  public:
    constexpr IpAddress() = default;
    static constexpr IpAddress v4(std::uint32_t host_order);
    static constexpr IpAddress v6(const std::array<std::uint8_t, 16>& bytes) {
        IpAddress address;
        address.bytes_ = bytes;
        return address;
    }
    // "10.0.0.1", "fd00::1", "::ffff:10.0.0.1" (→ IPv4). No scope ids, no names.
    static Result<IpAddress> parse(std::string_view text);

    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_unspecified() const;         // 0.0.0.0, ::
    [[nodiscard]] bool is_loopback() const;            // 127.0.0.0/8, ::1
    [[nodiscard]] std::uint32_t v4_host_order() const; // only if is_v4()
    [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
    [[nodiscard]] std::string to_string() const;

    auto operator<=>(const IpAddress&) const = default;

  private:
    std::array<std::uint8_t, 16> bytes_{};
};

constexpr IpAddress IpAddress::v4(std::uint32_t host_order) {
    IpAddress address;
    address.bytes_ = {0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0,
                      0xff,
                      0xff,
                      static_cast<std::uint8_t>(host_order >> 24),
                      static_cast<std::uint8_t>(host_order >> 16),
                      static_cast<std::uint8_t>(host_order >> 8),
                      static_cast<std::uint8_t>(host_order)};
    return address;
}

struct Endpoint {
    IpAddress address;
    std::uint16_t port = 0;

    // "10.0.0.1:7443", "[fd00::1]:7443". The port is required; 0 is allowed (any free port).
    static Result<Endpoint> parse(std::string_view text);
    [[nodiscard]] std::string to_string() const;
    auto operator<=>(const Endpoint&) const = default;
};

// A prefix: "240.0.0.0/8", "fd68:6177::/64". Host bits must be zero.
struct Cidr {
    IpAddress base;
    std::uint8_t length = 0; // of the family's own 32 or 128 bits

    static Result<Cidr> parse(std::string_view text);
    [[nodiscard]] bool contains(const IpAddress& address) const;
    [[nodiscard]] std::string to_string() const;
    auto operator<=>(const Cidr&) const = default;
};

} // namespace hawser

template <>
struct std::hash<hawser::IpAddress> {
    std::size_t operator()(const hawser::IpAddress& address) const noexcept;
};
template <>
struct std::hash<hawser::Endpoint> {
    std::size_t operator()(const hawser::Endpoint& endpoint) const noexcept;
};
