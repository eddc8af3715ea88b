#include "server/agent_session.h"

#include <algorithm>
#include <asio/this_coro.hpp>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/units.h"
#include "io/clock.h"
#include "io/task_group.h"
#include "log/log.h"
#include "model/codec.h"
#include "server/row_scan.h"
#include "server/server_addresses.h"

namespace hawser::server {

namespace {

// Changes of one message: far below rpc_message_bytes, and quick to encode between other work.
constexpr std::size_t batch_bytes = 512 << 10;
constexpr std::size_t rows_at_a_time = 1024;

// An agent waits this long for a server to be up to date before it is sent to another one.
constexpr std::chrono::milliseconds longest_catch_up{3'000};

// As many as one message takes, beginning with changes[next], which moves behind them.
v1::ServerMessage batch_of(const std::vector<model::Change>& changes, std::size_t& next,
                           std::uint64_t index) {
    v1::ServerMessage message;
    v1::MeshChanges& batch = *message.mutable_changes();
    batch.set_index(index);
    for (std::size_t bytes = 0; next < changes.size() && bytes < batch_bytes; ++next) {
        v1::Change& change = *batch.add_changes();
        change = model::to_proto(changes[next]);
        bytes += change.ByteSizeLong();
    }
    return message;
}

} // namespace

AgentSession::AgentSession(Parts parts, const rpc::Caller& caller, std::string node,
                           rpc::MessageStream& messages)
    : parts_(std::move(parts)), caller_(caller), messages_(messages), wake_(parts_.executor) {
    stream_.node = std::move(node);
    stream_.remote = caller.remote;
    stream_.connected_at = io::wall_now();
    stream_.certificate_generation = caller.certificate_generation;
    stream_.certificate_not_after = caller.certificate_not_after;
    stream_.messages = &messages;
}

io::Task<Result<void>> AgentSession::run() {
    if (Result<void> greeted = co_await read_hello(); !greeted) co_return greeted;
    // The agent may know more than this server does, from one that is not behind.
    if (Result<void> current = co_await parts_.raft.read_barrier(longest_catch_up); !current)
        co_return fail(std::move(current.error()), "this server is not up to date");
    if (Result<void> followed = check_not_superseded(); !followed) co_return followed;
    if (Result<void> held = check_nothing_was_lost(); !held) co_return held;
    // Meanwhile the server may have begun to stop: nobody would end this session any more.
    if (Result<void> serving = parts_.sessions.serving(); !serving) co_return serving;
    // From here on a cancellation ends waits but throws nothing, so that the writer is joined.
    co_await asio::this_coro::throw_if_cancelled(false);
    const Sessions::Registration registration(parts_.sessions, stream_);
    const WatchHub::Subscription subscription(parts_.hub, wake_);
    io::TaskGroup writer(parts_.executor);
    writer.spawn(write_messages());
    Result<void> ended = co_await read_messages();
    writer.cancel();
    co_await writer.join();
    co_await asio::this_coro::throw_if_cancelled(true);
    if (!stream_.ended_because.empty()) co_return fail(ErrorCode::aborted, stream_.ended_because);
    co_return ended;
}

// --- from the agent --------------------------------------------------------------------------

io::Task<Result<std::optional<v1::AgentMessage>>> AgentSession::read_message() {
    Result<std::optional<std::string>> bytes =
        co_await messages_.read(parts_.sessions.session_timeout());
    if (!bytes) co_return fail(std::move(bytes.error()));
    if (!*bytes) co_return std::optional<v1::AgentMessage>();
    std::optional<v1::AgentMessage> message(std::in_place);
    if (!message->ParseFromString(**bytes)) {
        co_return fail(ErrorCode::invalid, "a message of the session is not valid");
    }
    co_return message;
}

io::Task<Result<void>> AgentSession::read_hello() {
    Result<std::optional<v1::AgentMessage>> first = co_await read_message();
    if (!first) co_return fail(std::move(first.error()));
    if (!*first || !(**first).has_hello()) {
        co_return fail(ErrorCode::invalid, "a session begins with hello");
    }
    const v1::AgentHello& hello = (**first).hello();
    const model::TrustDomain* domain = parts_.raft.registry().tables().trust();
    other_history_ = domain == nullptr || hello.epoch() != domain->epoch;
    sent_index_ = hello.have_index();
    followed_since_ = hello.epoch_since_ms();
    log::info("an agent connected", {{"node", stream_.node},
                                     {"peer", stream_.remote},
                                     {"version", printable(hello.version(), 64)},
                                     {"have_index", sent_index_}});
    co_return Result<void>();
}

// Servers that were given up and come back may well be a majority of what they were of.
Result<void> AgentSession::check_not_superseded() const {
    const model::TrustDomain* domain = parts_.raft.registry().tables().trust();
    if (!other_history_ || domain == nullptr || domain->epoch_since >= followed_since_) return {};
    return fail(ErrorCode::unavailable,
                std::format("this registry was given up: the agent follows the one that goes on "
                            "since {}. Stop this server. If it is to go on from here: hawser "
                            "server recover",
                            format_time(followed_since_)));
}

// All that is committed is here by now. An agent that saw more of this very history proves that
// some of it is lost; what this registry has instead must not take its place.
Result<void> AgentSession::check_nothing_was_lost() const {
    const std::uint64_t index = parts_.hub.index();
    if (other_history_ || sent_index_ <= index) return {};
    if (parts_.sessions.is_ahead(stream_.node, sent_index_))
        log::error("an agent has seen more than there is here: was this server's data put back?",
                   {{"node", stream_.node}, {"agent_index", sent_index_}, {"index", index}});
    return fail(ErrorCode::unavailable,
                std::format("this registry ends at index {}, the agent has seen {} of it: its data "
                            "was put back to an older state. If it is to go on from there: hawser "
                            "server recover",
                            index, sent_index_));
}

io::Task<Result<void>> AgentSession::read_messages() {
    while ((co_await asio::this_coro::cancellation_state).cancelled() ==
           asio::cancellation_type::none) {
        Result<std::optional<v1::AgentMessage>> message = co_await read_message();
        if (!message) co_return fail(std::move(message.error()));
        if (!*message) co_return Result<void>();
        parts_.sessions.heard(stream_);
        if ((**message).has_registration()) {
            co_await register_node(std::move(*(**message).mutable_registration()));
        } else if ((**message).has_enforced()) {
            parts_.sessions.enforced(stream_, (**message).enforced().index());
        } else if ((**message).has_leaving()) {
            parts_.sessions.leaves(stream_);
        } else if ((**message).has_hello()) {
            co_return fail(ErrorCode::invalid, "a session says hello once");
        }
    }
    co_return fail(ErrorCode::cancelled, "the server is stopping");
}

// A service that the node may not host must not keep the others' health from being known: it is
// left out, and named. (The registry would refuse the whole.)
std::string AgentSession::leave_out_forbidden(model::SyncNode& command) const {
    const auto* node = parts_.raft.registry().tables().get<model::Node>(command.node);
    if (node == nullptr) return {}; // the registry's answer says it better
    std::string left_out;
    std::erase_if(command.instances, [&](const model::Instance& instance) {
        if (std::ranges::contains(node->allowed_services, instance.service)) return false;
        left_out = std::format(
            "node '{}' may not host service '{}': its join token does not name "
            "it; the other services are registered",
            command.node, printable(instance.service, 64));
        return true;
    });
    return left_out;
}

io::Task<void> AgentSession::register_node(v1::SyncNode message) {
    Result<model::SyncNode> command = model::from_proto(message);
    if (!command) co_return refuse(command.error());
    if (command->node != stream_.node) {
        co_return refuse({.code = ErrorCode::permission_denied,
                          .message = std::format("the certificate is node '{}''s, not '{}''s",
                                                 stream_.node, printable(command->node, 64))});
    }
    const std::string left_out = leave_out_forbidden(*command);
    stream_.registering = true;
    const Result<registry::Outcome> outcome =
        co_await parts_.raft.propose({.command = std::move(*command),
                                      .actor = "node:" + stream_.node,
                                      .proposed_at = io::wall_now(),
                                      .source = stream_.remote});
    stream_.registering = false;
    parts_.sessions.heard(stream_);
    if (!outcome) co_return refuse(outcome.error());
    stream_.registered = true;
    if (!left_out.empty())
        co_return refuse({.code = ErrorCode::permission_denied, .message = left_out});
    v1::ServerMessage answer;
    answer.mutable_registered()->set_index(outcome->index);
    say(std::move(answer));
}

// The agent stays connected: what it had registered is still there, and it needs the mesh.
void AgentSession::refuse(const Error& error) {
    parts_.refusals.record(Refused::registration, "/hawser.v1.Mesh/Session", caller_, error);
    v1::ServerMessage answer;
    answer.mutable_refused()->set_reason(error.message);
    say(std::move(answer));
}

void AgentSession::say(v1::ServerMessage message) {
    answers_.push_back(std::move(message));
    wake_.notify();
}

// --- to the agent ----------------------------------------------------------------------------

// A writer that cannot go on breaks the stream, which ends the reader too.
io::Task<void> AgentSession::write_messages() {
    while (co_await write_changes() && co_await write_answers()) {
        if (co_await wake_.wait_for(limits::heartbeat_interval)) continue;
        v1::ServerMessage heartbeat;
        heartbeat.mutable_heartbeat();
        if (!co_await write(std::move(heartbeat))) break;
    }
    messages_.abort();
}

io::Task<bool> AgentSession::write_answers() {
    while (!answers_.empty()) {
        if (answers_.size() > 16) co_return false; // an agent that asks but does not read
        v1::ServerMessage answer = std::move(answers_.front());
        answers_.pop_front();
        if (!co_await write(std::move(answer))) co_return false;
    }
    co_return true;
}

// All rows, or the changes since; again while more came as they were written. The first is sent
// even if it is empty: it tells the agent that what it has cached is current.
io::Task<bool> AgentSession::write_changes() {
    while (!sent_anything_ || sent_index_ != parts_.hub.index()) {
        const std::uint64_t index = parts_.hub.index();
        std::optional<std::vector<model::Change>> changes;
        if (!std::exchange(other_history_, false)) changes = parts_.hub.since(sent_index_);
        if (!changes) {
            sent_anything_ = false;
            if (!co_await write_rows()) co_return false;
            continue;
        }
        if (!co_await write_batches(*changes, index)) co_return false;
        sent_index_ = index;
        sent_anything_ = true;
    }
    co_return true;
}

// What changed meanwhile makes them complete.
io::Task<bool> AgentSession::write_rows() {
    const std::uint64_t index = parts_.hub.index();
    RowScan scan(index);
    v1::ServerMessage first;
    first.mutable_changes()->set_reset(true);
    first.mutable_changes()->set_index(index);
    if (!co_await write(std::move(first))) co_return false;
    while (true) {
        const std::vector<model::Change> rows =
            scan.next(parts_.raft.registry().tables(), rows_at_a_time);
        if (rows.empty()) break;
        for (std::size_t next = 0; next < rows.size();) {
            if (!co_await write(batch_of(rows, next, index))) co_return false;
        }
    }
    sent_index_ = index;
    co_return true;
}

io::Task<bool> AgentSession::write_batches(const std::vector<model::Change>& changes,
                                           std::uint64_t index) {
    std::size_t next = 0;
    do {
        v1::ServerMessage message = batch_of(changes, next, index);
        message.mutable_changes()->set_complete(next == changes.size());
        for (const Endpoint& server :
             addresses_of_servers(parts_.raft.registry().tables(), parts_.reachable)) {
            message.mutable_changes()->add_servers(server.to_string());
        }
        if (!co_await write(std::move(message))) co_return false;
    } while (next < changes.size());
    co_return true;
}

io::Task<bool> AgentSession::write(v1::ServerMessage message) {
    const Result<void> written =
        co_await messages_.write(message.SerializeAsString(), parts_.sessions.session_timeout());
    if (!written) {
        log::info("an agent does not take what it is sent",
                  {{"node", stream_.node}, {"peer", stream_.remote}, {"error", written.error()}});
    }
    co_return written.has_value();
}

} // namespace hawser::server
