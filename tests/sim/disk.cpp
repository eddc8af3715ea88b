#include "disk.h"

#include <algorithm>

namespace hawser::raft::sim {

void LogDisk::write(const Persist& persist) {
    hard_state_ = persist.hard_state;
    if (persist.reset) {
        base_ = *persist.reset;
        entries_.clear();
    }
    if (persist.entries.empty()) return;
    const Index first = persist.entries.front().index;
    const Index kept = first - base_.position.index - 1;
    entries_.resize(std::min<std::size_t>(entries_.size(), kept));
    entries_.insert(entries_.end(), persist.entries.begin(), persist.entries.end());
}

void LogDisk::compact(const Base& base) {
    if (base.position.index <= base_.position.index) return;
    const Index dropped = base.position.index - base_.position.index;
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                            dropped, Index{entries_.size()})));
    base_ = base;
}

std::optional<Term> LogDisk::term_at(Index index) const {
    if (index == base_.position.index) return base_.position.term;
    if (index < base_.position.index || index > last()) return std::nullopt;
    return entries_[index - base_.position.index - 1].term;
}

} // namespace hawser::raft::sim
