// Writes: what is asked of the disk, and what is known to be on it.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core.h"

namespace hawser::raft {

// The write of this step, begun when first needed.
Persist& Core::persist() {
    if (!actions_.persist) actions_.persist.emplace().sequence = ++last_sequence_;
    return *actions_.persist;
}

// What the entries replace is no longer what the disk has.
void Core::write(std::vector<Entry> entries) {
    if (entries.empty()) return;
    durable_ = std::min(durable_, entries.front().index - 1);
    Persist& persist = this->persist();
    for (Entry& entry : entries) {
        log_.put(entry);
        persist.entries.push_back(std::move(entry));
    }
}

void Core::write_reset(Base base) {
    durable_ = 0;
    log_.reset(base);
    persist().reset = std::move(base);
}

void Core::on(const Persisted& persisted) {
    HAWSER_CHECK(persisted.sequence <= last_sequence_);
    bool news = false;
    while (!outstanding_.empty() && outstanding_.front().sequence <= persisted.sequence) {
        durable_hard_state_ = outstanding_.front().hard_state;
        durable_ = outstanding_.front().last;
        outstanding_.pop_front();
        news = true;
    }
    if (!news) return;
    // Later writes may replace some of it; their places count when they are on disk themselves.
    for (const Outstanding& later : outstanding_) {
        if (later.first > 0) durable_ = std::min(durable_, later.first - 1);
    }
    if (role_ == Role::leader) return advance_commit();
    if (role_ == Role::candidate) request_votes();
    settle_vote();
    acknowledge();
}

// A write that takes so long that others should lead meanwhile.
bool Core::disk_is_stuck() const {
    return !outstanding_.empty() && outstanding_.front().since + options_.election_max < now_;
}

} // namespace hawser::raft
