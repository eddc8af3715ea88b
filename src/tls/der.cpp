#include "tls/der.h"

#include <cstddef>

namespace hawser::tls {
namespace {

// A certificate is about ten deep.
constexpr int deepest = 24;

bool is_der_value(const DerElement& element) {
    const ByteView content = element.content;
    switch (element.tag) {
        case 0x01: return content.size() == 1 && (content[0] == 0x00 || content[0] == 0xff);
        case 0x02: // the shortest two's complement
            return content.size() == 1 ||
                   (content.size() > 1 && !(content[0] == 0x00 && content[1] < 0x80) &&
                    !(content[0] == 0xff && content[1] >= 0x80));
        case 0x10:
        case 0x11: return false; // sequences and sets are constructed
        default: {
            // and all else of the universal class is not.
            const bool universal = (element.tag & 0xc0) == 0;
            return !universal || !element.is_constructed() || element.is(DerTag::sequence) ||
                   element.is(DerTag::set);
        }
    }
}

bool are_der(ByteView bytes, int depth) {
    if (depth > deepest) return false;
    DerReader reader(bytes);
    while (!reader.at_end()) {
        const auto element = reader.next();
        if (!element || !is_der_value(*element)) return false;
        if (element->is_constructed() && !are_der(element->content, depth + 1)) return false;
    }
    return true;
}

} // namespace

std::optional<DerElement> DerReader::next() {
    if (rest_.size() < 2) return std::nullopt;
    const std::uint8_t tag = rest_[0];
    if ((tag & 0x1f) == 0x1f) return std::nullopt; // long tags: none in X.509
    std::size_t header = 2, length = rest_[1];
    if (length >= 0x80) {
        const std::size_t digits = length - 0x80;
        if (digits == 0 || digits > 3 || rest_.size() < header + digits) return std::nullopt;
        length = 0;
        for (std::size_t i = 0; i < digits; ++i) length = length << 8 | rest_[header + i];
        const bool shortest = length >= 0x80 && rest_[header] != 0;
        if (!shortest) return std::nullopt;
        header += digits;
    }
    if (rest_.size() - header < length) return std::nullopt;
    const DerElement element{.tag = tag, .content = rest_.subspan(header, length)};
    rest_ = rest_.subspan(header + length);
    return element;
}

std::optional<DerElement> DerReader::next(DerTag tag) {
    if (rest_.empty() || rest_[0] != static_cast<std::uint8_t>(tag)) return std::nullopt;
    return next();
}

bool is_der(ByteView bytes) {
    DerReader reader(bytes);
    return reader.next() && reader.at_end() && are_der(bytes, 0);
}

} // namespace hawser::tls
