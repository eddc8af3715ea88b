// The first write of a new cluster: everything a server needs to know that it may elect itself.
#pragma once

#include <vector>

#include "raft/event.h"

namespace hawser::raft {

// Term 1 and one entry, the configuration whose voters are `first`. To be stored in an empty log
// before the core is restored from it. Servers that begin a cluster together must all be given the
// same voters; a server that joins one is given none, and needs nothing stored.
[[nodiscard]] Persist bootstrap(std::vector<ServerId> first);

} // namespace hawser::raft
