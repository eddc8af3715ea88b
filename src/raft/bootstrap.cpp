// The first write of a new cluster; see bootstrap.h.
#include "raft/bootstrap.h"

namespace hawser::raft {

Persist bootstrap(ServerId first) {
    Persist persist;
    persist.hard_state.term = 1;
    persist.entries.push_back({.index = 1,
                               .term = 1,
                               .kind = EntryKind::configuration,
                               .data = make_payload(encode(Configuration{.voters = {first}}))});
    return persist;
}

} // namespace hawser::raft
