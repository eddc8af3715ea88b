// When to renew a certificate. Pure.
#pragma once

#include "base/random.h"
#include "base/units.h"

namespace hawser::agent {

// At half of its life, ± 10 % of that, so that certificates issued together are not renewed
// together. Its life began when it was issued, not at not_before, which lies back by the clock
// skew that the CA allows for.
[[nodiscard]] WallTime renewal_time(WallTime not_before, WallTime not_after, Random& random);

} // namespace hawser::agent
