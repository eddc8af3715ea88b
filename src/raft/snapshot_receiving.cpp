// Receiving the state machine's snapshot (§5.2), and putting it in the log's place.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core.h"

namespace hawser::raft {

// Whatever cannot be used now is not answered: the leader sends it again.
void Core::on(ServerId from, const SnapshotRequest& request) {
    if (!follow(from)) return;
    if (receiving_ && receiving_->busy) return;
    const Position& snapshot = request.base.position;
    if (snapshot.index <= commit_ || log_.holds(snapshot)) {
        // The log has it, and all of a snapshot is committed.
        receiving_.reset();
        following_.matched = std::max({following_.matched, commit_, snapshot.index});
        heed_commit(snapshot.index);
        reply_append();
        return;
    }
    const bool same_leader =
        receiving_ && receiving_->from == from && receiving_->term == hard_state_.term;
    if (same_leader && request.transfer < receiving_->transfer) return;
    if (!same_leader || request.transfer > receiving_->transfer) {
        receiving_ = {.from = from,
                      .term = hard_state_.term,
                      .transfer = request.transfer,
                      .base = request.base};
    }
    if (request.base != receiving_->base) {
        refuse(ErrorCode::invalid, "two snapshots in one transfer");
        return;
    }
    if (request.offset != receiving_->next) {
        reply_snapshot();
        return;
    }
    receiving_->busy = true;
    receiving_->writing = request.data->size();
    receiving_->installing = request.last;
    actions_.write_snapshot = WriteSnapshot{
        .base = request.base, .offset = request.offset, .data = request.data, .last = request.last};
}

void Core::reply_snapshot() {
    send(receiving_->from,
         SnapshotReply{.transfer = receiving_->transfer, .offset = receiving_->next});
}

void Core::on(const SnapshotWritten& written) {
    HAWSER_CHECK(receiving_ && receiving_->busy && receiving_->base.position == written.snapshot &&
                 receiving_->next == written.offset);
    if (written.failed) {
        receiving_.reset();
        return;
    }
    receiving_->busy = false;
    receiving_->next += receiving_->writing;
    if (receiving_->installing) {
        const Base base = std::exchange(receiving_, std::nullopt)->base;
        install(base);
    } else if (following_.leader == receiving_->from && hard_state_.term == receiving_->term) {
        reply_snapshot();
    }
}

// The state machine is that of the snapshot now; the log follows. It keeps what comes after, if
// it has the snapshot's last entry; else nothing in it can be of use (§5.2).
void Core::install(const Base& base) {
    const Index index = base.position.index;
    HAWSER_CHECK(applied_ < index);
    if (!log_.holds(base.position)) {
        write_reset(base);
        commit_ = following_.matched = index;
    }
    applied_ = index;
    commit_ = std::max(commit_, index);
    following_.matched = std::max(following_.matched, commit_);
    if (following_.leader != no_server) acknowledge();
}

} // namespace hawser::raft
