// The wall clock of this program: certificates and status speak in it. Nothing is timed with it.
#pragma once

#include <chrono>

#include "base/units.h"

namespace hawser::agent {

[[nodiscard]] inline WallTime wall_now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

} // namespace hawser::agent
