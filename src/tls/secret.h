// Texts and bytes that are overwritten when they go: private keys and traffic secrets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hawser::tls {

inline void wipe(std::string& text) {
    ::explicit_bzero(text.data(), text.size());
    text.clear();
}

// A secret text, such as a private key in PEM. Moves, never copies. What made the string it is
// given must not keep a copy.
class SecretText {
  public:
    SecretText() = default;
    SecretText(std::string text) : text_(std::move(text)) {}
    ~SecretText() { wipe(text_); }
    SecretText(SecretText&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }
    SecretText& operator=(SecretText&& other) noexcept {
        if (this == &other) return *this;
        wipe(text_);
        text_ = std::move(other.text_);
        wipe(other.text_);
        return *this;
    }

    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] bool empty() const { return text_.empty(); }
    operator std::string_view() const { return text_; }

  private:
    std::string text_;
};

// Secret bytes of at most N.
template <std::size_t N>
class SecretBytes {
  public:
    SecretBytes() = default;
    explicit SecretBytes(std::size_t size) : size_(size) {}
    ~SecretBytes() { ::explicit_bzero(bytes_.data(), N); }
    SecretBytes(const SecretBytes&) = default;
    SecretBytes& operator=(const SecretBytes&) = default;

    std::uint8_t* data() { return bytes_.data(); }
    [[nodiscard]] const std::uint8_t* data() const { return bytes_.data(); }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] std::span<std::uint8_t> span() { return {bytes_.data(), size_}; }

  private:
    std::array<std::uint8_t, N> bytes_{};
    std::size_t size_ = 0;
};

} // namespace hawser::tls
