// A registry whose cluster is one server: after a restore from a snapshot, and after a recovery.
#pragma once

#include <string>
#include <vector>

#include "model/resources.h"
#include "model/row.h"
#include "raft/types.h"
#include "store/state_store.h"

namespace hawser::server {

// From here on its history is another one, and later than the one that it had, whatever the clock
// says: agents that follow it go back to no server of that one.
void begin_epoch(model::TrustDomain& domain, WallTime now);

// The rows as they are after entry `last`, but for the servers (the one that stays writes its own
// row when it starts) and the trust domain.
[[nodiscard]] store::State state_of_only_member(raft::ServerId self, raft::Position last,
                                                std::string meta, std::vector<model::Change> rows,
                                                model::TrustDomain domain);

} // namespace hawser::server
