// The first write of a new cluster: everything a server needs to know that it may elect itself.
#pragma once

#include "raft/core.h"

namespace hawser::raft {

// Term 1 and one entry, the configuration whose only voter is `first`. To be stored in an empty
// log before the core is restored from it.
[[nodiscard]] Persist bootstrap(ServerId first);

} // namespace hawser::raft
