// When to renew a certificate. Pure.
#pragma once

#include "base/random.h"
#include "base/units.h"

namespace hawser::agent {

// `renew_after` its issue, as the servers asked, or up to a fifth earlier: never later, as what is
// left then is what they promised. Zero: at half of its life, ± 10 % of that. The jitter keeps
// certificates that were issued together from being renewed together. Its life began when it was
// issued, not at not_before, which lies back by the clock skew that the CA allows for.
[[nodiscard]] WallTime renewal_time(WallTime not_before, WallTime not_after, Duration renew_after,
                                    Random& random);

// When it was issued, as above.
[[nodiscard]] WallTime issue_time(WallTime not_before, WallTime not_after);

} // namespace hawser::agent
