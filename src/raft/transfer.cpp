// Handing leadership over (§3.10): bring the other server up to date, then tell it to hold an
// election at once. No proposals meanwhile, or it would never be up to date.
#include <format>

#include "raft/core.h"

namespace hawser::raft {

void Core::on(const TransferLeadership& transfer) {
    if (role_ != Role::leader) {
        refuse(ErrorCode::unavailable, "this server is not the leader");
        return;
    }
    if (leading_.transfer) {
        refuse(ErrorCode::failed_precondition,
               std::format("leadership is being handed to server {:016x} already",
                           leading_.transfer->to));
        return;
    }
    const ServerId to = transfer.to == no_server ? best_successor() : transfer.to;
    if (to == no_server) {
        refuse(ErrorCode::failed_precondition, "there is no other server that could lead");
    } else if (to == id_) {
        refuse(ErrorCode::failed_precondition, "this server is the leader already");
    } else if (!log_.configuration().votes(to)) {
        refuse(ErrorCode::not_found, std::format("server {:016x} has no vote", to));
    } else if (!peer(to)->heard_since(now_ - options_.election_max)) {
        refuse(ErrorCode::failed_precondition,
               std::format("there is no contact with server {:016x}", to));
    } else {
        hand_over(to);
    }
}

void Core::hand_over(ServerId to) {
    leading_.transfer = {.to = to, .until = now_ + options_.election_max};
    press_transfer();
}

// Once a heartbeat. A leader whose disk hangs holds everybody up, and hands over by itself.
void Core::tend_transfer() {
    if (leading_.transfer && now_ >= leading_.transfer->until) leading_.transfer.reset();
    if (!leading_.transfer) {
        const ServerId successor = disk_is_stuck() ? best_successor() : no_server;
        if (successor != no_server) hand_over(successor);
        return;
    }
    leading_.transfer->asked = false;
    press_transfer();
}

void Core::press_transfer() {
    std::optional<Transfer>& transfer = leading_.transfer;
    if (!transfer || transfer->asked) return;
    const Progress* to = peer(transfer->to);
    if (!to || to->match < log_.last().index) return;
    transfer->asked = true;
    send(transfer->to, TimeoutNow{});
}

// The voter that has most of the log, of those in contact.
ServerId Core::best_successor() const {
    ServerId best = no_server;
    Index match = 0;
    for (const auto& [id, peer] : leading_.peers) {
        if (!log_.configuration().votes(id)) continue;
        if (!peer.heard_since(now_ - options_.election_max)) continue;
        if (best != no_server && peer.match <= match) continue;
        best = id;
        match = peer.match;
    }
    return best;
}

ServerId Core::transferring_to() const {
    return leading_.transfer ? leading_.transfer->to : no_server;
}

void Core::on(ServerId from, const TimeoutNow& /*now*/) {
    if (!follow(from)) return;
    if (!log_.configuration().votes(id_)) {
        refuse(ErrorCode::failed_precondition, "asked to lead without a vote");
        return;
    }
    campaign(true);
}

} // namespace hawser::raft
