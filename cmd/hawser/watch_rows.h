// Following the registry: `hawser get KIND --watch`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon_client.h"
#include "model/row.h"

namespace hawser::cmd {

struct WatchOptions {
    std::optional<model::Kind> kind; // none: all
    std::string name;                // empty: all of the kind
    std::uint64_t from = 0;          // changes after this index; 0: the rows as they are first
    std::uint64_t epoch = 0;         // of that index; 0: not known
    bool json = false;
};

// Prints every change, a line each, until the server ends it; returns the exit code.
[[nodiscard]] int watch_rows(DaemonClient& client, const WatchOptions& options);

} // namespace hawser::cmd
