// Join and operator tokens: as text, and as a body whose checksum is made right, which the fuzzer
// would never find. What parses must print to a text that parses to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "ca/tokens.h"

namespace {

using namespace hawser;

void try_join(std::string_view text) {
    const auto token = ca::JoinTokenText::parse(text);
    if (!token) return;
    const std::string written = token->to_text();
    if (text.find(written) == std::string_view::npos) std::abort(); // white space apart
    if (token->node.empty() == token->server.empty()) std::abort();
    if (token->root_pin.size() != 32 || token->secret.size() != 32) std::abort();
}

void try_operator(std::string_view text) {
    const auto token = ca::OperatorTokenText::parse(text);
    if (!token) return;
    const auto again = ca::OperatorTokenText::parse(token->to_text());
    if (!again || again->id != token->id || again->secret != token->secret) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    if (data[0] % 2 == 0) {
        try_join(rest);
        try_operator(rest);
        return 0;
    }
    std::string body(rest);
    const std::uint32_t crc = crc32c(as_bytes(body));
    for (int shift = 24; shift >= 0; shift -= 8) body.push_back(static_cast<char>(crc >> shift));
    try_join((data[0] % 4 == 1 ? "hwj1." : "hws1.") + to_base64url(as_bytes(body)));
    return 0;
}
