#include "registry/history_index.h"

#include <algorithm>

#include "base/limits.h"

namespace hawser::registry {

Writers writers_of(model::Kind kind) {
    return model::written_by_operators(kind) ? Writers::operators : Writers::agents;
}

std::size_t cost_of(const model::HistoryEntry& entry) {
    return limits::history_entry_overhead + entry.key.size() + entry.before.size() +
           entry.after.size();
}

void HistoryIndex::add(const model::HistoryEntry& entry) {
    const auto kind = static_cast<model::Kind>(entry.kind);
    changes_[{.kind = kind, .key = entry.key}].push_back(entry.index);
    cost_[static_cast<std::size_t>(writers_of(kind))] += cost_of(entry);
}

void HistoryIndex::remove(const model::HistoryEntry& entry) {
    const auto kind = static_cast<model::Kind>(entry.kind);
    const auto found = changes_.find(model::RowKeyView{.kind = kind, .key = entry.key});
    if (found == changes_.end()) return;
    std::erase(found->second, entry.index);
    if (found->second.empty()) changes_.erase(found);
    cost_[static_cast<std::size_t>(writers_of(kind))] -= cost_of(entry);
}

const std::vector<std::uint64_t>& HistoryIndex::of(model::Kind kind, std::string_view key) const {
    static const std::vector<std::uint64_t> none;
    const auto found = changes_.find(model::RowKeyView{.kind = kind, .key = key});
    return found == changes_.end() ? none : found->second;
}

} // namespace hawser::registry
