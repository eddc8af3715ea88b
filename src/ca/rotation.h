// What becomes of the authority, and when. An intermediate is followed by another at half of its
// life. A root is followed in two steps: first both are published, until every node and every
// server has taken the next one over; then the next one signs, and the last one is trusted until
// nothing that it signed is valid any more. Either step can be taken back. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "model/resources.h"

namespace hawser::ca {

struct RotationFacts {
    WallTime now = 0;
    // Who has not taken over the authority as it is: "node 'web-1' (away)", "server 's2'".
    std::vector<std::string> missing_nodes;
    std::vector<std::string> missing_servers;
};

enum class RotationStep : std::uint8_t { none, renew_intermediate, switch_root, drop_root };

struct RotationDecision {
    RotationStep step = RotationStep::none;
    std::string waits_for; // a step that is wanted, but not to be taken yet: why
};
[[nodiscard]] RotationDecision decide(const model::Authority& authority,
                                      const RotationFacts& facts);

// What somebody has to do about certificates that are about to end.
[[nodiscard]] std::vector<std::string> expiry_warnings(const model::Authority& authority,
                                                       WallTime now);

// The authority after a step. `longest_leaf`: nothing that was signed lives longer from now on.
[[nodiscard]] Result<model::Authority> with_next_root(model::Authority authority,
                                                      model::Signer next, WallTime now);
[[nodiscard]] model::Authority with_root_switched(model::Authority authority, WallTime now,
                                                  Duration longest_leaf);
[[nodiscard]] model::Authority with_root_dropped(model::Authority authority, WallTime now);
// Back to the root that signed before the rotation began, from either step.
[[nodiscard]] Result<model::Authority> with_rotation_aborted(model::Authority authority,
                                                             WallTime now, Duration longest_leaf);

} // namespace hawser::ca
