// The first write of a new cluster; see bootstrap.h.
#include "raft/bootstrap.h"

#include <algorithm>
#include <utility>

namespace hawser::raft {

Persist bootstrap(std::vector<ServerId> first) {
    std::ranges::sort(first);
    Persist persist;
    persist.hard_state.term = 1;
    persist.entries.push_back(
        {.index = 1,
         .term = 1,
         .kind = EntryKind::configuration,
         .data = make_payload(encode(Configuration{.voters = std::move(first)}))});
    return persist;
}

} // namespace hawser::raft
