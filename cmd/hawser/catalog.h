// The mesh as a daemon knows it, for the commands that show it: a server's registry, or an
// agent's snapshot where no server runs on this host.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "daemon_client.h"
#include "model/mesh_snapshot.h"
#include "model/row.h"

namespace hawser::cmd {

// Rows of a kind, or the one of that name; asks the server's API, or the agent's.
[[nodiscard]] Result<std::vector<model::Change>> get_rows(DaemonClient& client, model::Kind kind,
                                                          const std::string& name = {});

// As the asked server has them, without asking the one that leads: how old they are, if it knows.
struct StaleRows {
    std::vector<model::Change> rows;
    std::optional<std::chrono::milliseconds> age;
};
[[nodiscard]] Result<StaleRows> get_stale_rows(DaemonClient& client, model::Kind kind,
                                               const std::string& name);

// Everything that has to do with services, put together as agents do it.
[[nodiscard]] Result<model::SnapshotPtr> get_mesh(DaemonClient& client);

} // namespace hawser::cmd
