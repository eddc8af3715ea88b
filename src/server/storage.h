// What a server keeps in its data directory, opened: the raft log, the registry's rows, and what
// was restored from them. See store/ for the promises of each.
#pragma once

#include <string>

#include "base/result.h"
#include "raft/core.h"
#include "registry/registry.h"
#include "store/data_dir.h"
#include "store/log_store.h"
#include "store/state_store.h"

namespace hawser::server {

struct Storage {
    store::DataDir directory;
    store::LogStore log;
    store::StateStore state;
};

// Everything a RaftNode begins with.
struct RestoredServer {
    Storage storage;
    raft::Core core;
    registry::Registry registry;
    raft::Base applied; // the registry includes entries up to here
};

// Fails on a directory in use, and on anything stored that is damaged or contradicts itself.
[[nodiscard]] Result<Storage> open_storage(const std::string& data_dir);
// The seed in the options is chosen here.
[[nodiscard]] Result<RestoredServer> restore_server(Storage storage, raft::Options options = {});

} // namespace hawser::server
