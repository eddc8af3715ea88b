#include "base/unique_id.h"

#include <array>
#include <bit>

#include "base/random.h"

namespace hawser {

std::uint64_t new_unique_id() {
    std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
    std::uint64_t id = 0;
    while (id == 0) {
        fill_secure_random(bytes);
        id = std::bit_cast<std::uint64_t>(bytes);
    }
    return id;
}

} // namespace hawser
