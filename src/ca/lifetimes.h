// When agents are asked to renew their certificates. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/units.h"

namespace hawser::ca {

// Of a life, how much agents may be asked to survive without a server: the rest is for renewing.
inline constexpr std::int64_t most_target_tenths = 9;

// How long after its issue a certificate of this life is to be renewed, so that whoever loses all
// servers has `target` of it left: half of the time there is for that, the other half is for trying
// again. Zero target: none, and zero is returned: half of its life, as agents do unasked.
[[nodiscard]] constexpr Duration renew_after(Duration life, Duration target) {
    if (target <= Duration::zero()) return Duration::zero();
    // A life that the intermediate's end cuts short may not suffice: then as often as is sensible.
    return std::max((life - target) / 2, std::max(life / 20, Duration(1)));
}

} // namespace hawser::ca
