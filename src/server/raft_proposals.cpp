// Proposals: gathered, given to the core or to the leader, and brought back to their callers.
#include <algorithm>
#include <format>

#include "io/task_group.h"
#include "log/log.h"
#include "server/audit_entries.h"
#include "server/audit_trail.h"
#include "server/peer_calls.h"
#include "server/peer_link.h"
#include "server/raft_node.h"

namespace hawser::server {

namespace {

// What one write to disk takes: enough for every proposal in flight, small enough to stay quick.
constexpr std::size_t batch_entries = 1024;
constexpr std::size_t batch_bytes = 4 << 20;
// Of one command: heartbeats wait behind it, on the way to every other server.
constexpr std::size_t command_bytes = 4 << 20;
// Of a request to the leader; one command always fits.
constexpr std::size_t forwarded_bytes = 1 << 20;
// A leader that just fell, or is not connected, is not asked again at once.
constexpr std::chrono::milliseconds pause_before_retry{20};

constexpr std::string_view unconfirmed =
    "no majority of the servers confirmed the write in time; it may still be carried out: look "
    "before trying again";

} // namespace

Result<void> RaftNode::check_writable() const {
    if (failure_) return fail(ErrorCode::unavailable, failure_->message);
    if (stopping_) return fail(ErrorCode::unavailable, "this server is stopping");
    if (std::string why = why_not_writable(); !why.empty())
        return fail(ErrorCode::resource_exhausted, std::move(why));
    if (callers_.size() >= options_.proposals_in_flight) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("{} writes are waiting already; try again later",
                                options_.proposals_in_flight));
    }
    return {};
}

// What would change nothing or be refused is answered without a write, from a registry that is
// known to be current: an older one might answer what is no longer true.
io::Task<std::optional<Result<registry::Outcome>>> RaftNode::foresee(
    const model::CommandEnvelope& envelope, Deadline deadline) {
    const auto writes = [](const Result<registry::Outcome>& outcome) {
        return outcome && !outcome->changes.empty();
    };
    if (writes(registry_.check(envelope))) co_return std::nullopt;
    if (Result<void> current = co_await read_barrier_until(deadline); !current)
        co_return fail(std::move(current.error()));
    Result<registry::Outcome> foreseen = registry_.check(envelope);
    if (writes(foreseen)) co_return std::nullopt;
    co_return foreseen;
}

io::Task<Result<registry::Outcome>> RaftNode::propose(model::CommandEnvelope envelope,
                                                      std::chrono::milliseconds timeout) {
    const Deadline deadline = Clock::now() + timeout;
    if (Result<void> writable = check_writable(); !writable)
        co_return fail(std::move(writable.error()));
    if (auto foreseen = co_await foresee(envelope, deadline); foreseen)
        co_return std::move(*foreseen);
    co_return co_await recorded(envelope, &RaftNode::propose_encoded, deadline);
}

// The door that every command goes through: one that cannot be recorded is not proposed. What the
// log of raft holds anyway need not wait for another fsync; the record survives this process.
io::Task<Result<registry::Outcome>> RaftNode::recorded(const model::CommandEnvelope& envelope,
                                                       Doing doing, Deadline deadline) {
    Result<raft::Payload> command = encode_command(envelope);
    if (!command) co_return fail(std::move(command.error()));
    std::optional<audit::Entry> entry;
    if (audit_ != nullptr) entry = audit_entry(envelope, registry_.tables());
    if (!entry) co_return co_await (this->*doing)(std::move(*command), deadline);
    const Result<std::uint64_t> record =
        co_await audit_->record(std::move(*entry), AuditTrail::Until::written);
    if (!record) co_return fail(record.error());
    Result<registry::Outcome> outcome = co_await (this->*doing)(std::move(*command), deadline);
    audit_->note(result_entry(*record, outcome ? outcome->index : 0,
                              outcome ? std::nullopt : std::optional(outcome.error())));
    co_return outcome;
}

io::Task<Result<registry::Outcome>> RaftNode::propose_encoded(raft::Payload command,
                                                              Deadline deadline) {
    while (true) {
        if (Result<void> writable = check_writable(); !writable)
            co_return fail(std::move(writable.error()));
        if (callers_.queued_bytes() > 0 &&
            callers_.queued_bytes() + command->size() > options_.queued_bytes) {
            co_return fail(ErrorCode::resource_exhausted,
                           std::format("{} bytes of writes are waiting already; try again later",
                                       callers_.queued_bytes()));
        }
        const auto caller = std::make_shared<Caller>(executor_);
        callers_.queue(command, caller);
        schedule_proposals();
        co_await caller->wait_until(deadline);
        caller->gone = true;
        if (!caller->fate()) {
            if (!caller->proposed) co_return fail(ErrorCode::unavailable, why_not_current());
            co_return fail(ErrorCode::deadline_exceeded, std::string(unconfirmed));
        }
        Fate& fate = *caller->fate();
        if (fate.kind != Fate::Kind::lost) co_return std::move(fate.outcome);
        // It was not carried out, so trying again is safe; whether it helps, the error says.
        const ErrorCode why = fate.outcome.error().code;
        const bool worthwhile = why == ErrorCode::unavailable || why == ErrorCode::aborted;
        if (!worthwhile || Clock::now() + pause_before_retry >= deadline)
            co_return fail(std::move(fate.outcome.error()));
        co_await changed_.wait_until(Clock::now() + pause_before_retry);
    }
}

io::Task<Result<registry::Outcome>> RaftNode::propose_as_leader(model::CommandEnvelope envelope,
                                                                std::chrono::milliseconds timeout) {
    const Deadline deadline = Clock::now() + timeout;
    if (Result<void> writable = check_writable(); !writable)
        co_return fail(std::move(writable.error()));
    Result<registry::Outcome> foreseen = registry_.check(envelope);
    if (!foreseen || foreseen->changes.empty()) co_return foreseen;
    co_return co_await recorded(envelope, &RaftNode::propose_once, deadline);
}

io::Task<Result<registry::Outcome>> RaftNode::propose_once(raft::Payload command,
                                                           Deadline deadline) {
    raft::Actions actions = step_core(raft::Propose{.commands = {command}});
    const std::optional<raft::Accepted> accepted = actions.accepted;
    const std::optional<Error> refused = actions.refused;
    const auto caller = std::make_shared<Caller>(executor_);
    if (accepted) callers_.accepted({{.command = command, .caller = caller}}, *accepted);
    carry_out(std::move(actions));
    if (!accepted) {
        co_return fail(refused.value_or(
            Error{.code = ErrorCode::unavailable, .message = "the proposal was not taken"}));
    }
    co_await caller->wait_until(deadline);
    if (caller->fate()) co_return std::move(caller->fate()->outcome);
    co_return fail(ErrorCode::deadline_exceeded, std::string(unconfirmed));
}

Result<raft::Payload> RaftNode::encode_command(const model::CommandEnvelope& envelope) const {
    std::string bytes = model::encode(envelope);
    if (bytes.size() <= command_bytes) return raft::make_payload(std::move(bytes));
    return fail(ErrorCode::invalid,
                std::format("the command has {} bytes, the most is {}; split it into several",
                            bytes.size(), command_bytes));
}

// On the loop's next turn: what came in this one goes together.
void RaftNode::schedule_proposals() {
    if (proposals_scheduled_ || callers_.nothing_queued()) return;
    proposals_scheduled_ = true;
    asio::post(executor_, [this, alive = std::weak_ptr(alive_)] {
        if (alive.expired()) return;
        proposals_scheduled_ = false;
        propose_queued();
    });
}

void RaftNode::propose_queued() {
    if (failure_ || callers_.nothing_queued()) return;
    if (leads()) {
        propose_here();
    } else if (core_.leader() != raft::no_server && transport_ != nullptr) {
        forward_queued();
    }
}

// One write at a time is on its way to the disk; what comes meanwhile waits for the next.
void RaftNode::propose_here() {
    if (writing_ || !writes_.empty()) return;
    Callers::Batch batch = callers_.take(batch_entries, batch_bytes);
    if (batch.empty()) return;
    raft::Propose propose;
    propose.commands.reserve(batch.size());
    for (const Callers::Queued& queued : batch) propose.commands.push_back(queued.command);
    raft::Actions actions = step_core(std::move(propose));
    if (actions.accepted) {
        callers_.accepted(std::move(batch), *actions.accepted);
    } else {
        Callers::tell(batch, Fate::Kind::lost,
                      actions.refused.value_or(Error{.code = ErrorCode::unavailable,
                                                     .message = "the proposal was not taken"}));
    }
    carry_out(std::move(actions));
}

// --- on the way to the leader ------------------------------------------------------------------

// Everything that a request needs while the node may go away.
struct RaftNode::Forward {
    std::weak_ptr<bool> alive;
    RaftNode* node;
    PeerTransport* transport;
    raft::Position to; // the leader, and the term that it leads
    Callers::Batch batch;
    std::string request;
};

// One request at a time to a leader; what comes meanwhile shares the next.
void RaftNode::forward_queued() {
    const raft::Position to{.index = core_.leader(), .term = core_.term()};
    if (forwarding_to_ == to) return;
    Callers::Batch batch = callers_.take(batch_entries, forwarded_bytes);
    if (batch.empty()) return;
    ForwardedCommands commands{.from = core_.id(), .to = to.index, .commands = {}};
    commands.commands.reserve(batch.size());
    for (const Callers::Queued& queued : batch) commands.commands.push_back(queued.command);
    forwarding_to_ = to;
    callers_.begin_forwarding();
    io::spawn_self_owned(executor_, forward({.alive = alive_,
                                             .node = this,
                                             .transport = transport_,
                                             .to = to,
                                             .batch = std::move(batch),
                                             .request = encode(commands)}));
}

io::Task<void> RaftNode::forward(Forward forward) {
    PeerTransport::Answer answer;
    if (!forward.alive.expired()) {
        const std::chrono::milliseconds timeout = write_timeout(forward.request.size());
        answer = co_await forward.transport->call(forward.to.index, std::string(propose_path),
                                                  std::move(forward.request), timeout);
    }
    if (!forward.alive.expired())
        forward.node->forwarded(std::move(forward.batch), forward.to, std::move(answer));
}

// The leader's yes or no is the end of the request; without it nobody knows what it did.
void RaftNode::forwarded(Callers::Batch batch, raft::Position to, PeerTransport::Answer answer) {
    if (forwarding_to_ == to) forwarding_to_ = {};
    Result<AcceptedOrNot> decoded =
        answer.bytes ? decode_accepted(*answer.bytes) : fail(answer.bytes.error());
    if (decoded && decoded->accepted) {
        callers_.accepted(std::move(batch), *decoded->accepted);
    } else if (decoded) {
        Callers::tell(batch, Fate::Kind::lost, decoded->accepted.error());
    } else if (!answer.asked) {
        Callers::tell(batch, Fate::Kind::lost, decoded.error());
    } else {
        const Error told{.code = ErrorCode::unknown,
                         .message =
                             "the write may have been carried out: the leader's answer was "
                             "lost (" +
                             decoded.error().message + ")"};
        Callers::tell(batch, Fate::Kind::unknown, told);
    }
    callers_.end_forwarding();
    schedule_proposals();
}

// A command that cannot be applied would stop every server: what cannot be decoded is not taken.
Result<raft::Accepted> RaftNode::accept(std::vector<raft::Payload> commands) {
    if (failure_ || stopping_ || !why_not_writable().empty())
        return fail(ErrorCode::unavailable, "this server takes no writes now");
    for (const raft::Payload& command : commands) {
        if (command->size() > command_bytes)
            return fail(ErrorCode::invalid, "a command is too long");
        if (Result<model::CommandEnvelope> decoded = model::decode_command(*command); !decoded)
            return fail(std::move(decoded.error()));
    }
    raft::Actions actions = step_core(raft::Propose{.commands = std::move(commands)});
    const std::optional<raft::Accepted> accepted = actions.accepted;
    std::optional<Error> refused = actions.refused;
    carry_out(std::move(actions));
    if (accepted) return *accepted;
    return fail(refused.value_or(
        Error{.code = ErrorCode::unavailable, .message = "the proposal was not taken"}));
}

} // namespace hawser::server
