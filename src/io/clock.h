// The wall clock, for certificates and records. Pure rooms get the time passed in.
#pragma once

#include <chrono>

#include "base/units.h"

namespace hawser::io {

[[nodiscard]] inline WallTime wall_now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

} // namespace hawser::io
