#include "agent/renewal.h"

#include <algorithm>
#include <chrono>

#include "base/limits.h"

namespace hawser::agent {

WallTime issue_time(WallTime not_before, WallTime not_after) {
    constexpr WallTime skew = std::chrono::milliseconds(limits::clock_skew).count();
    return not_before + skew < not_after ? not_before + skew : not_before;
}

WallTime renewal_time(WallTime not_before, WallTime not_after, Duration renew_after,
                      Random& random) {
    const WallTime issued = issue_time(not_before, not_after);
    const WallTime half = std::max<WallTime>(not_after - issued, 0) / 2;
    const bool asked = renew_after.count() > 0;
    const WallTime planned = asked ? std::min<WallTime>(renew_after.count(), half) : half;
    const double jitter = asked ? 0.8 + 0.2 * random.unit() : 0.9 + 0.2 * random.unit();
    return issued + static_cast<WallTime>(static_cast<double>(planned) * jitter);
}

} // namespace hawser::agent
