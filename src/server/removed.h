// Was this server, which had joined, removed since? One that was stopped, or cut off, never heard
// of it: the others did. For a server that does not run, or may not; one that does has Upkeep.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "config/server_config.h"
#include "io/loop.h"
#include "server/welcome.h"

namespace hawser::server {

// What the disk says, else what members say; also of one that is being removed. False where nobody
// who knows answers.
[[nodiscard]] io::Task<bool> was_removed(const config::ServerConfig& config, const Welcome& welcome,
                                         std::vector<Endpoint> addresses);

} // namespace hawser::server
