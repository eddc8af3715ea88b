// Text that users and peers write: what parses must print to a form that parses to the same value.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/units.h"

namespace {

template <typename Value>
void must_read_back(std::string_view text) {
    const auto value = Value::parse(text);
    if (!value.has_value()) return;
    const auto again = Value::parse(value->to_string());
    if (!again.has_value() || !(*again == *value)) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    must_read_back<hawser::IpAddress>(text);
    must_read_back<hawser::Endpoint>(text);
    must_read_back<hawser::Cidr>(text);

    const auto duration = hawser::parse_duration(text);
    if (duration.has_value()) {
        const auto again = hawser::parse_duration(hawser::format_duration(*duration));
        if (!again.has_value() || *again != *duration) std::abort();
    }
    const auto bytes = hawser::from_base64url(text);
    if (bytes.has_value() && hawser::to_base64url(hawser::as_bytes(*bytes)) != text) std::abort();
    const auto size_value = hawser::parse_size(text);
    static_cast<void>(size_value);
    if (!hawser::is_utf8(hawser::printable(text))) std::abort();
    return 0;
}
