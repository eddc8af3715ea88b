// Becoming leader (§3.4).
#include "raft/core.h"

namespace hawser::raft {

// "To begin an election, a follower increments its current term and transitions to candidate
// state. It then votes for itself": both are durable before they count.
void Core::campaign(Actions& actions) {
    ++hard_state_.term;
    hard_state_.vote = id_;
    persist_of(actions);
    change_role(Role::candidate, actions);
}

// The own vote counts once it would survive a crash: a server that forgot it could vote again.
void Core::count_votes(Actions& actions) {
    const bool own_vote = durable_hard_state_ == hard_state_ && hard_state_.vote == id_;
    if (own_vote && log_.configuration().only_voter(id_)) become_leader(actions);
}

// §6.4: a new leader does not know which entries of earlier terms are committed until one of its
// own is; the no-op makes that happen at once.
void Core::become_leader(Actions& actions) {
    change_role(Role::leader, actions);
    append(EntryKind::noop, make_payload({}), actions);
}

} // namespace hawser::raft
