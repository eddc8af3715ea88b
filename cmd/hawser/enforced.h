// Waiting until the agents enforce what was written: --wait.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

#include "base/units.h"
#include "daemon_client.h"

namespace hawser::cmd {

// Waits, prints what came of it (with `json`, `value` and that), and returns the exit code. `done`
// is what was done before: "applied".
[[nodiscard]] int finish_waiting(DaemonClient& client, std::uint64_t index, Duration timeout,
                                 const std::string& done, bool json, nlohmann::json value);

} // namespace hawser::cmd
