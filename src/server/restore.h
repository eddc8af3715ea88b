// `hawser snapshot restore`: a server of a new cluster, with a registry as a snapshot has it.
// Offline, into a data directory that holds no registry yet.
//
// The mesh is the same one: its trust domain, its certificates, tokens and resources. The cluster
// is not: this server is the only one in it, and others join it. Everything that happened after the
// snapshot is gone, so the registry gets another epoch, by which agents know that what they heard
// later is no longer so.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "config/server_config.h"

namespace hawser::server {

struct RestoreResult {
    std::string trust_domain;
    std::uint64_t index = 0; // of the registry
    WallTime made_at = 0;    // when the snapshot was
    std::string data_dir;
};

// `ca`: the folder with the authority's keys, a copy of DATA_DIR/ca; may be that itself. Blocking.
[[nodiscard]] Result<RestoreResult> restore_snapshot(const config::ServerConfig& config,
                                                     const std::string& file,
                                                     const std::string& ca);

} // namespace hawser::server
