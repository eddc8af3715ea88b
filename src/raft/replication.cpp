// How the leader's log gets to the others (§3.5), pipelined (§10.2.1).
//
// Entries go out as soon as they are in the log, several appends ahead of their acknowledgements.
// An append that was lost shows at the latest with the next heartbeat, which asks for an answer
// and names the place after which entries would follow.
#include <algorithm>
#include <format>
#include <utility>

#include "raft/core.h"

namespace hawser::raft {

Progress* Core::peer(ServerId server) {
    const auto found = leading_.peers.find(server);
    return found == leading_.peers.end() ? nullptr : &found->second;
}

// A heartbeat to everyone. Who answers it knew of no newer leader after it was sent.
void Core::begin_round() {
    leading_.broadcast = ++leading_.round;
    for (auto& [id, peer] : leading_.peers) send_append(id, peer, {});
}

// Where the log no longer tells what comes before `next`, or a snapshot is on its way, nothing is
// claimed about the peer's log: it is only to answer, and the answer tells what it needs.
void Core::send_append(ServerId to, Progress& peer, std::vector<Entry> entries) {
    AppendRequest request{
        .entries = std::move(entries), .commit = commit_, .round = leading_.round};
    if (peer.state != Progress::State::snapshot) {
        const std::optional<Term> term = log_.term_at(peer.next - 1);
        if (term) request.previous = {.index = peer.next - 1, .term = *term};
        if (!term) peer.enter_probe(peer.next);
    }
    send(to, std::move(request));
}

// To a peer whose log is known to agree: all there is, as far as the window allows.
void Core::send_entries(ServerId to, Progress& peer) {
    while (peer.state == Progress::State::replicate && peer.next <= log_.last().index &&
           peer.in_flight.size() < options_.appends_in_flight) {
        if (!log_.term_at(peer.next - 1)) {
            peer.enter_probe(peer.next);
            begin_snapshot(to, peer);
            return;
        }
        std::vector<Entry> entries =
            log_.slice(peer.next, options_.append_entries, options_.append_bytes);
        const Index last = entries.back().index;
        send_append(to, peer, std::move(entries));
        peer.in_flight.push_back(last);
        peer.next = last + 1;
    }
}

// One append, where agreement is looked for, that is to be answered at once. What the peer says in
// answer to earlier ones no longer counts: or every append that was overtaken would have all that
// follow sent once more, and each of those again.
void Core::send_probe(ServerId to, Progress& peer) {
    if (!log_.term_at(peer.next - 1)) {
        begin_snapshot(to, peer);
        return;
    }
    peer.probe_round = ++leading_.round;
    send_append(to, peer, log_.slice(peer.next, options_.append_entries, options_.append_bytes));
}

void Core::replicate() {
    for (auto& [id, peer] : leading_.peers) send_entries(id, peer);
}

void Core::on(ServerId from, const AppendReply& reply) {
    if (role_ != Role::leader) return;
    Progress& peer = *this->peer(from);
    if (std::max(reply.match, reply.received) > log_.last().index || reply.round > leading_.round) {
        refuse(ErrorCode::invalid,
               std::format("server {:016x} acknowledges what it was not sent", from));
        return;
    }
    peer.contact = now_;
    // What it confirmed before it was found to have lost entries tells nothing of what it has now.
    if (reply.round < peer.lost_round) return;
    if (reply.match > peer.match) peer.match_round = leading_.round;
    peer.acknowledge(reply.match);
    if (reply.round >= peer.round) { // the newest there is: after a restart the peer has less
        peer.round = reply.round;
        peer.received = reply.received;
    }
    if (peer.sending && peer.sending->base.position.index > 0 &&
        peer.match >= peer.sending->base.position.index) {
        end_snapshot(from, peer);
        peer.enter_replicate(peer.match + 1);
    }
    if (reply.round >= peer.probe_round) heed(from, peer, reply);
    advance_commit();
    if (role_ != Role::leader) return;
    confirm_reads();
    press_transfer();
    send_entries(from, peer);
}

void Core::heed(ServerId from, Progress& peer, const AppendReply& reply) {
    if (reply.rejection && has_lost(peer, reply)) {
        start_over(from, peer, *reply.rejection);
    } else if (reply.rejection) {
        rewind(from, peer, *reply.rejection);
    } else if (peer.state == Progress::State::probe && reply.received + 1 >= peer.next) {
        peer.enter_replicate(reply.received + 1);
    } else if (peer.state == Progress::State::probe && !log_.term_at(peer.next - 1)) {
        begin_snapshot(from, peer);
    }
}

// It heard what was sent after it had confirmed this entry, and says that it lacks it: its disk was
// put back to an older state. (Only so; an answer from before it confirmed it names no later
// round.)
bool Core::has_lost(const Progress& peer, const AppendReply& reply) const {
    return peer.state != Progress::State::snapshot && reply.rejection->index <= peer.match &&
           reply.round > peer.match_round;
}

// What it confirmed counts no more: it is on one disk fewer until it has it again.
void Core::start_over(ServerId from, Progress& peer, const AppendRejection& rejection) {
    refuse(ErrorCode::corrupt,
           std::format("server {:016x} lacks entry {}, which it had confirmed: its disk was put "
                       "back to an older state, and what it promised since may be broken. It gets "
                       "its entries again; remove it and let it join anew",
                       from, rejection.index));
    peer.lost_entry = peer.match;
    peer.match = 0;
    peer.received = 0;
    peer.lost_round = ++leading_.round;
    peer.enter_probe(after_hint(rejection));
    send_probe(from, peer);
}

// Where agreement may begin, by what the peer has.
Index Core::after_hint(const AppendRejection& rejection) const {
    const Position& hint = rejection.hint;
    const bool held = hint.index > log_.base().position.index;
    const Index agreed = held ? log_.last_before(hint).index : hint.index;
    return std::min(rejection.index, agreed + 1);
}

// The peer lacks what the append built on: go back to what it has, or as far as the hint allows,
// and try one append before sending ahead again.
void Core::rewind(ServerId from, Progress& peer, const AppendRejection& rejection) {
    if (peer.state == Progress::State::snapshot) return;
    if (peer.state == Progress::State::replicate) {
        if (rejection.index <= peer.received) return; // overtaken: it has it by now
        peer.enter_probe(std::max(peer.received, peer.match) + 1);
    } else {
        if (rejection.index != peer.next - 1 || rejection.index <= peer.match) return;
        peer.enter_probe(std::max(after_hint(rejection), peer.match + 1));
    }
    send_probe(from, peer);
}

} // namespace hawser::raft
