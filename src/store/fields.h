// Numbers and texts one after another, as the stores' own records and checksums take them: 8 bytes
// a number, big end first; a text after its length.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace hawser::store {

class FieldWriter {
  public:
    FieldWriter& number(std::uint64_t value) {
        std::array<char, 8> digits{};
        for (char& digit : digits) {
            digit = static_cast<char>(value >> 56);
            value <<= 8;
        }
        bytes_.append(digits.data(), digits.size());
        return *this;
    }
    FieldWriter& text(std::string_view value) {
        number(value.size());
        bytes_.append(value);
        return *this;
    }
    [[nodiscard]] const std::string& bytes() const { return bytes_; }
    [[nodiscard]] std::string take() && { return std::move(bytes_); }

  private:
    std::string bytes_;
};

// Reads them back. After the bytes ran out everything is 0 and "", and complete() is false.
class FieldReader {
  public:
    explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

    std::uint64_t number() {
        if (rest_.size() < 8) return give_up();
        std::uint64_t value = 0;
        for (const char byte : rest_.substr(0, 8))
            value = value << 8 | static_cast<std::uint8_t>(byte);
        rest_.remove_prefix(8);
        return value;
    }
    std::string text() {
        const std::uint64_t size = number();
        if (size > rest_.size()) {
            give_up();
            return {};
        }
        std::string value(rest_.substr(0, size));
        rest_.remove_prefix(size);
        return value;
    }
    [[nodiscard]] bool short_of_bytes() const { return short_; }
    // Everything was there, and nothing is left.
    [[nodiscard]] bool complete() const { return !short_ && rest_.empty(); }

  private:
    std::uint64_t give_up() {
        short_ = true;
        rest_ = {};
        return 0;
    }
    std::string_view rest_;
    bool short_ = false;
};

} // namespace hawser::store
