#include "ca/seal.h"

#include <array>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/random.h"
#include "tls/sealed_box.h"
#include "tls/x509.h"

namespace hawser::ca {

namespace {

constexpr char version = 1;
constexpr std::size_t id_bytes = 8;

std::string_view context_of(SealedPurpose purpose) {
    return purpose == SealedPurpose::root_key ? "hawser root key" : "hawser signing key";
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = text.find_first_not_of(space);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

} // namespace

SealingKey::SealingKey(std::string bytes)
    : bytes_(std::move(bytes)),
      id_(to_hex(as_bytes(tls::sha256(as_bytes(bytes_.text())).substr(0, id_bytes)))) {}

SealingKey SealingKey::make() {
    std::string bytes(tls::box_key_bytes, '\0');
    fill_secure_random({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    return SealingKey(std::move(bytes));
}

Result<SealingKey> SealingKey::parse(std::string_view text) {
    if (text.size() == tls::box_key_bytes) return SealingKey(std::string(text));
    Result<std::string> bytes = from_hex(trimmed(text));
    if (bytes && bytes->size() == tls::box_key_bytes) return SealingKey(std::move(*bytes));
    return fail(ErrorCode::invalid,
                "not a sealing key, which is 64 hex digits (make one: openssl rand -hex 32)");
}

std::string SealingKey::to_text() const {
    return to_hex(as_bytes(bytes_.text())) + "\n";
}

std::string SealingKey::seal(SealedPurpose purpose, std::string_view secret) const {
    return version + *from_hex(id_) +
           tls::seal_box(as_bytes(bytes_.text()), context_of(purpose), secret);
}

Result<tls::SecretText> SealingKey::open(SealedPurpose purpose, std::string_view sealed) const {
    if (sealed.size() <= 1 + id_bytes) return fail(ErrorCode::corrupt, "the sealed key is cut off");
    if (sealed.front() != version)
        return fail(ErrorCode::unimplemented,
                    std::format("the key is sealed in form {}, which this version does not know",
                                static_cast<int>(static_cast<unsigned char>(sealed.front()))));
    const std::string by = to_hex(as_bytes(sealed.substr(1, id_bytes)));
    if (by != id_)
        return fail(ErrorCode::failed_precondition,
                    std::format("it is sealed under the key {}, this one is {}", by, id_));
    Result<tls::SecretText> secret =
        tls::open_box(as_bytes(bytes_.text()), context_of(purpose), sealed.substr(1 + id_bytes));
    if (!secret) return fail(ErrorCode::corrupt, "the sealed key is damaged");
    return secret;
}

} // namespace hawser::ca
