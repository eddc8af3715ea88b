// What a leader does: takes proposals, and decides what is committed (§3.5, §3.6).
#include <format>

#include "raft/core.h"

namespace hawser::raft {

void Core::on(Propose propose, Actions& actions) {
    if (role_ != Role::leader) {
        actions.refused = Error{.code = ErrorCode::unavailable,
                                .message = "this server is not the leader; none is known"};
        return;
    }
    if (propose.commands.empty()) return;
    actions.accepted = Accepted{.first_index = log_.last().index + 1, .term = hard_state_.term};
    for (Payload& command : propose.commands)
        append(EntryKind::command, std::move(command), actions);
}

void Core::append(EntryKind kind, Payload data, Actions& actions) {
    persist_of(actions).entries.push_back(log_.append(hard_state_.term, kind, std::move(data)));
}

// An entry is committed when a majority has it on disk (here: this server) and it is of the
// leader's own term; all before it are committed with it. An older entry alone may not be counted
// (§3.6.2, figure 3.7).
void Core::advance_commit(Actions& actions) {
    const Index durable = durable_last_.index;
    if (durable <= commit_ || log_.term_at(durable) != hard_state_.term) return;
    actions.apply = log_.range(commit_ + 1, durable);
    commit_ = durable;
}

} // namespace hawser::raft
