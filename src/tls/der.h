// Reading DER (X.690 §10): one element after the other, with nothing left to the encoder's choice.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace hawser::tls {

// The identifier octets that X.509's structure needs.
enum class DerTag : std::uint8_t {
    boolean = 0x01,
    integer = 0x02,
    octet_string = 0x04,
    object_identifier = 0x06,
    sequence = 0x30,
    set = 0x31,
    context_0 = 0xa0, // explicit [0]: a certificate's version, a request's attributes
    context_3 = 0xa3, // a certificate's extensions
};

struct DerElement {
    std::uint8_t tag = 0;
    ByteView content;

    [[nodiscard]] bool is(DerTag expected) const {
        return tag == static_cast<std::uint8_t>(expected);
    }
    [[nodiscard]] bool is_constructed() const { return (tag & 0x20) != 0; }
};

class DerReader {
  public:
    explicit DerReader(ByteView bytes) : rest_(bytes) {}

    // None at the end, and where no element begins that DER allows.
    std::optional<DerElement> next();
    // The next one if it is of this tag; otherwise none, and it stays the next.
    std::optional<DerElement> next(DerTag tag);
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

  private:
    ByteView rest_;
};

// Exactly one element, DER down to its smallest parts.
[[nodiscard]] bool is_der(ByteView bytes);

} // namespace hawser::tls
