// The state machine's snapshot for who is too far behind for the log (§5.2): piece by piece, each
// asked for, sent and answered before the next. Losing one costs that piece.
#include <algorithm>
#include <format>

#include "base/check.h"
#include "raft/core.h"

namespace hawser::raft {

void Core::begin_snapshot(ServerId to, Progress& peer) {
    if (peer.state == Progress::State::snapshot) return;
    peer.enter_snapshot(++leading_.transfers);
    read_piece(to, peer);
}

void Core::end_snapshot(ServerId to, Progress& peer) {
    if (!peer.sending) return;
    actions_.close_snapshots.push_back(to);
    peer.enter_probe(peer.next);
}

void Core::read_piece(ServerId to, Progress& peer) {
    SnapshotSending& sending = *peer.sending;
    sending.reading = true;
    actions_.read_snapshots.push_back({.to = to,
                                       .snapshot = sending.base.position.index,
                                       .offset = sending.offset,
                                       .bytes = options_.snapshot_chunk});
}

void Core::on(const SnapshotRead& read) {
    Progress* peer = role_ == Role::leader ? this->peer(read.to) : nullptr;
    if (!peer || !peer->sending || !peer->sending->reading ||
        peer->sending->offset != read.offset) {
        return; // no longer wanted
    }
    SnapshotSending& sending = *peer->sending;
    const Index begun = sending.base.position.index;
    const std::optional<Term> term = log_.term_at(read.snapshot);
    if (!read.data || (begun == 0 ? !term : begun != read.snapshot)) {
        end_snapshot(read.to, *peer); // its next answer begins another
        return;
    }
    if (begun == 0) {
        HAWSER_CHECK(read.offset == 0 && read.snapshot <= applied_);
        sending.base = {.position = {.index = read.snapshot, .term = *term},
                        .configuration = log_.configuration_at(read.snapshot)};
    }
    sending.reading = false;
    sending.since = now_;
    sending.sent = std::max(sending.sent, read.offset + read.data->size());
    send(read.to, SnapshotRequest{.transfer = sending.transfer,
                                  .base = sending.base,
                                  .offset = read.offset,
                                  .data = read.data,
                                  .last = read.last});
}

void Core::on(ServerId from, const SnapshotReply& reply) {
    Progress* peer = role_ == Role::leader ? this->peer(from) : nullptr;
    if (!peer) return;
    peer->contact = now_;
    if (!peer->sending || peer->sending->reading || peer->sending->transfer != reply.transfer) {
        return; // about an earlier one
    }
    SnapshotSending& sending = *peer->sending;
    if (reply.offset > sending.sent) {
        refuse(
            ErrorCode::invalid,
            std::format("server {:016x} acknowledges more of a snapshot than it was sent", from));
        return;
    }
    if (reply.offset == sending.offset) return; // repeated; the piece is under way
    sending.offset = reply.offset;
    read_piece(from, *peer);
}

// A piece that was not answered goes again, once there is contact. A peer that stays away begins
// with another snapshot when it comes back.
void Core::retry_snapshots() {
    const auto patience = 30 * options_.election_max;
    for (auto& [id, peer] : leading_.peers) {
        if (!peer.sending || peer.sending->reading) continue;
        if (now_ - peer.sending->since < options_.election_min) continue;
        if (peer.heard_since(now_ - options_.election_max)) {
            read_piece(id, peer);
        } else if (!peer.heard_since(now_ - patience)) {
            end_snapshot(id, peer);
        }
    }
}

// What others in contact will need next is kept, but not without end.
void Core::on(const Compact& compact) {
    HAWSER_CHECK(compact.index <= applied_);
    const auto behind = [&](Index entries, std::uint64_t bytes) {
        return std::max(compact.index - std::min(compact.index, entries),
                        std::min(compact.index, log_.place_before(compact.index, bytes)));
    };
    Index index = behind(options_.trailing_entries, options_.trailing_bytes);
    const Index kept = behind(options_.trailing_entries + options_.trailing_for_peers,
                              options_.trailing_bytes + options_.trailing_bytes_for_peers);
    for (const auto& [id, peer] : leading_.peers) {
        const Index has = peer.sending ? peer.sending->base.position.index : peer.match;
        if (peer.state == Progress::State::probe || has == 0) continue;
        if (!peer.heard_since(now_ - options_.election_max)) continue;
        index = std::min(index, std::max(has, kept));
    }
    if (index < log_.first_index()) return;
    log_.compact(index);
    actions_.compact = log_.base();
}

} // namespace hawser::raft
