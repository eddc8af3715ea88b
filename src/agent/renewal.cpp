#include "agent/renewal.h"

#include <algorithm>
#include <chrono>

#include "base/limits.h"

namespace hawser::agent {

WallTime renewal_time(WallTime not_before, WallTime not_after, Random& random) {
    constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();
    const WallTime issued = not_before + skew < not_after ? not_before + skew : not_before;
    const double half = static_cast<double>(std::max<WallTime>(not_after - issued, 0)) / 2;
    const double jitter = 0.9 + 0.2 * random.unit();
    return issued + static_cast<WallTime>(half * jitter);
}

} // namespace hawser::agent
