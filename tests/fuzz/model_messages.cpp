// Rows and commands from any bytes: refused, or valid and the same after another round.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/command.h"
#include "model/row.h"

using namespace hawser::model;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    constexpr auto kinds = static_cast<std::uint8_t>(last_kind) + 1;
    const auto kind = static_cast<Kind>(data[0] % (kinds + 1));
    if (kind == static_cast<Kind>(kinds)) {
        if (const auto command = decode_command(bytes);
            command && !decode_command(encode(*command))) {
            std::abort();
        }
        return 0;
    }
    const auto resource = decode(kind, bytes);
    if (!resource) return 0;
    const auto again = decode(kind, encode(*resource));
    if (!again || *again != *resource) std::abort();
    return 0;
}
