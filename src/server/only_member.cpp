#include "server/only_member.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/unique_id.h"

namespace hawser::server {

void begin_epoch(model::TrustDomain& domain, WallTime now) {
    domain.epoch = new_unique_id();
    domain.epoch_since = std::max(now, domain.epoch_since + 1);
}

store::State state_of_only_member(raft::ServerId self, raft::Position last, std::string meta,
                                  std::vector<model::Change> rows, model::TrustDomain domain) {
    store::State state{
        .applied = last.index,
        .meta = std::move(meta),
        .rows = std::move(rows),
        .installed = raft::Base{.position = last, .configuration = {.voters = {self}}}};
    std::erase_if(state.rows, [](const auto& row) { return row.kind == model::Kind::server; });
    const auto value = std::make_shared<const model::Resource>(std::move(domain));
    for (model::Change& row : state.rows) {
        if (row.kind == model::Kind::trust_domain) row.value = value;
    }
    return state;
}

} // namespace hawser::server
