// What all servers of the cluster understand, so that those of two versions run side by side: each
// says in its row how new the commands are that it can apply, and the oldest decides for all.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "registry/tables.h"

namespace hawser::registry {

// The level of the commands that may be proposed. Without members (a mesh that is being made) the
// first one. It never falls: who knows less than the others agreed on may not join them.
[[nodiscard]] std::uint32_t feature_level(const Tables& tables);

// Refuses a command that not all servers know, and names those that don't.
[[nodiscard]] Result<void> check_level(std::uint32_t level, const Tables& tables);

} // namespace hawser::registry
