#include "agent/control_session.h"

#include <algorithm>
#include <utility>

#include "agent/backoff.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "io/clock.h"
#include "log/log.h"
#include "model/codec.h"
#include "rpc/client.h"

namespace hawser::agent {
namespace {

constexpr std::chrono::milliseconds first_pause{250};
// A server that is back finds its agents back before it takes their instances for dead.
constexpr std::chrono::milliseconds longest_pause{2'000};
// What refused a registration may pass (a full disk, a missing right): it is said again.
constexpr std::chrono::milliseconds refusal_pause{5'000};
// Less than limits::connect_timeout: with one of three servers silent, the next must be reached
// before this host's instances are taken for dead.
constexpr std::chrono::milliseconds connect_timeout{2'000};
// A server says something every 2 s. One whose host vanished must be given up in time for another
// to be reached before this host is taken for dead.
constexpr std::chrono::milliseconds server_silence{5'000};
// For a server to hear that this agent stops.
constexpr std::chrono::milliseconds farewell_deadline{1'000};

v1::AgentMessage farewell() {
    v1::AgentMessage message;
    message.mutable_leaving();
    return message;
}

} // namespace

struct ControlSession::Connection {
    Connection(io::Executor executor, Endpoint to)
        : server(to), wake(executor), written(executor) {}

    using Clock = std::chrono::steady_clock;

    void retry_if_due(bool& registration_waits) {
        if (!retry_at || Clock::now() < *retry_at) return;
        retry_at.reset();
        registration_waits = true;
    }

    Endpoint server;
    std::unique_ptr<rpc::Client> client;
    std::unique_ptr<rpc::MessageStream> stream; // of the client: goes first
    bool complete = false;                      // a consistent state came
    std::optional<Clock::time_point> retry_at;  // of a refused registration
    bool ended = false;
    bool leaving = false; // to come back with other credentials
    bool greeted = false;
    std::uint64_t reported = 0;
    io::Signal wake;    // there is something to say
    io::Signal written; // the writer is gone
};

ControlSession::ControlSession(io::Executor executor, ControlSessionOptions options,
                               MeshState& mesh, ServerList& servers)
    : executor_(executor),
      options_(std::move(options)),
      mesh_(mesh),
      servers_(servers),
      random_(options_.seed),
      answered_(executor),
      tasks_(executor) {}

ControlSession::~ControlSession() = default;

void ControlSession::start() {
    tasks_.spawn(run());
    tasks_.spawn(look_home());
}

// Without the farewell the server would wait for this host's voice until the session times out.
io::Task<void> ControlSession::stop() {
    stopping_ = true;
    const auto deadline = Connection::Clock::now() + farewell_deadline;
    leave();
    while (connection_) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - Connection::Clock::now());
        if (left.count() <= 0) break;
        (void)co_await answered_.wait_for(left);
    }
    tasks_.cancel();
    co_await tasks_.join();
    connection_.reset();
    state_.server.reset();
}

void ControlSession::registration_changed() {
    registration_waits_ = true;
    if (connection_) connection_->wake.notify();
}

void ControlSession::credentials_changed() {
    leave();
}

// To begin anew at once, with whatever server is first then.
void ControlSession::leave() {
    if (!connection_) return;
    connection_->leaving = true;
    connection_->wake.notify();
}

void ControlSession::enforced(std::uint64_t index) {
    enforced_ = index;
    if (connection_) connection_->wake.notify();
}

io::Task<void> ControlSession::settle_registration(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (state_.server) {
        if (!registration_waits_ && state_.answered_registrations >= state_.sent_registrations)
            co_return;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) co_return;
        (void)co_await answered_.wait_for(left);
    }
}

io::Task<void> ControlSession::run() {
    Backoff backoff(first_pause, longest_pause);
    std::size_t failures = 0;
    while (true) {
        const Endpoint server = servers_.in_turn().front();
        const Outcome outcome = co_await converse(server);
        if (stopping_) co_return;
        if (outcome == Outcome::left) continue;
        servers_.failed(server);
        if (outcome == Outcome::lost) {
            backoff.reset();
            failures = 0;
        } else if (++failures % servers_.all().size() != 0) {
            continue; // a round over all servers first: only then is waiting the better plan
        }
        if (!co_await io::sleep(backoff.next(random_))) co_return;
    }
}

io::Task<ControlSession::Outcome> ControlSession::converse(Endpoint server) {
    auto connection = std::make_shared<Connection>(executor_, server);
    if (auto connected = co_await connect(*connection); !connected) {
        ended(server, connected.error(), Outcome::failed);
        co_return Outcome::failed;
    }
    connection_ = connection;
    registration_waits_ = true;
    state_.sent_registrations = state_.answered_registrations = 0;
    if (!tasks_.spawn(write_all(connection))) co_return Outcome::failed;
    const Error why = co_await read_all(*connection);

    connection_.reset();
    mesh_.forget_incomplete();
    state_.server.reset();
    answered_.notify();
    connection->ended = true;
    connection->stream->abort();
    connection->wake.notify();
    co_await connection->written.wait();
    const Outcome outcome = !connection->complete ? Outcome::failed
                            : connection->leaving ? Outcome::left
                                                  : Outcome::lost;
    ended(server, why, outcome);
    co_return outcome;
}

io::Task<Result<void>> ControlSession::connect(Connection& connection) {
    auto client = co_await reach(connection.server);
    if (!client) co_return fail(std::move(client.error()));
    connection.client = std::move(*client);
    auto stream = co_await connection.client->open_stream("/hawser.v1.Mesh/Session");
    if (!stream) co_return fail(std::move(stream.error()));
    connection.stream = std::move(*stream);
    co_return Result<void>();
}

io::Task<Result<std::unique_ptr<rpc::Client>>> ControlSession::reach(Endpoint server) {
    tls::CredentialsPtr credentials = options_.credentials();
    if (!credentials)
        co_return fail(ErrorCode::failed_precondition, "this node has no valid certificate");
    auto client = co_await rpc::Client::connect_tls(server, std::move(credentials),
                                                    {.timeout = connect_timeout});
    if (!client) co_return client;
    const auto& peer = (*client)->peer();
    if (!peer || peer->identity.kind != model::IdentityKind::server)
        co_return fail(ErrorCode::permission_denied, "it is not a hawser server");
    co_return client;
}

// Nothing is given up before home has answered.
io::Task<void> ControlSession::look_home() {
    while (true) {
        const auto pause = options_.look_home * (1 + random_.unit());
        if (!co_await io::sleep(std::chrono::duration_cast<std::chrono::milliseconds>(pause)))
            co_return;
        if (!state_.server || *state_.server == servers_.home()) continue;
        const Endpoint home = servers_.home();
        const auto reached = co_await reach(home);
        if (!reached || home != servers_.home()) continue;
        log::info("going back to the server where this host belongs",
                  {{"server", home.to_string()}});
        servers_.worked(home);
        leave();
    }
}

io::Task<Error> ControlSession::read_all(Connection& connection) {
    while (true) {
        auto bytes = co_await connection.stream->read(server_silence);
        if (!bytes) co_return std::move(bytes.error());
        if (!*bytes) co_return Error{ErrorCode::unavailable, "the server ended the session"};
        if (auto taken = take(connection, **bytes); !taken) {
            co_return std::move(taken.error()).context("the server sent something unusable");
        }
    }
}

Result<void> ControlSession::take(Connection& connection, const std::string& bytes) {
    v1::ServerMessage message;
    if (!message.ParseFromString(bytes)) return fail(ErrorCode::corrupt, "not a valid message");
    switch (message.message_case()) {
        case v1::ServerMessage::kChanges: return take_changes(connection, message.changes());
        case v1::ServerMessage::kRegistered:
            state_.refusal.clear();
            connection.retry_at.reset();
            state_.registered_index = message.registered().index();
            ++state_.answered_registrations;
            answered_.notify();
            return {};
        case v1::ServerMessage::kRefused:
            refused(message.refused().reason());
            ++state_.answered_registrations;
            answered_.notify();
            connection.retry_at = Connection::Clock::now() + refusal_pause;
            return {};
        default: return {}; // a heartbeat, or what only a newer version knows
    }
}

Result<void> ControlSession::take_changes(Connection& connection, const v1::MeshChanges& changes) {
    auto complete = mesh_.take(changes);
    if (!complete) return fail(std::move(complete.error()));
    servers_.learn({changes.servers().begin(), changes.servers().end()});
    if (!*complete) return {};
    if (!connection.complete) {
        connection.complete = true;
        servers_.worked(connection.server);
        told_.erase(connection.server);
        state_.server = connection.server;
        state_.since = io::wall_now();
        state_.heard = true;
        state_.last_error.clear();
        log::info("connected to a server",
                  {{"server", connection.server.to_string()}, {"index", mesh_.index()}});
    }
    options_.on_mesh();
    return {};
}

void ControlSession::refused(const std::string& reason) {
    // A peer's text: shown as such, and once, not with every registration.
    std::string shown = quote(reason, 300);
    if (shown == state_.refusal) return;
    state_.refusal = std::move(shown);
    log::error("the mesh refuses this host's registration", {{"reason", state_.refusal}});
}

io::Task<void> ControlSession::write_all(std::shared_ptr<Connection> connection) {
    while (!connection->ended) {
        const bool leaving = connection->leaving;
        if (!leaving || (stopping_ && connection->greeted)) {
            const v1::AgentMessage message = leaving ? farewell() : next_message(*connection);
            auto written = co_await connection->stream->write(message.SerializeAsString(),
                                                              limits::session_timeout);
            if (!written) {
                connection->stream->abort(); // the reader then sees it, too
                break;
            }
        }
        if (leaving) {
            connection->stream->finish(); // the server ends its side, and the reader sees it
            break;
        }
        const bool more =
            connection->greeted && (registration_waits_ || connection->reported != enforced_);
        if (!more) (void)co_await connection->wake.wait_for(limits::heartbeat_interval);
        connection->retry_if_due(registration_waits_);
    }
    connection->written.notify();
}

v1::AgentMessage ControlSession::next_message(Connection& connection) {
    v1::AgentMessage message;
    if (!connection.greeted) {
        connection.greeted = true;
        message.mutable_hello()->set_version(options_.version);
        message.mutable_hello()->set_have_index(mesh_.index());
        message.mutable_hello()->set_epoch(mesh_.epoch());
        message.mutable_hello()->set_epoch_since_ms(mesh_.epoch_since());
    } else if (registration_waits_) {
        registration_waits_ = false;
        ++state_.sent_registrations;
        *message.mutable_registration() = model::to_proto(options_.registration());
    } else if (connection.reported != enforced_) {
        connection.reported = enforced_;
        message.mutable_enforced()->set_index(enforced_);
    }
    return message;
}

void ControlSession::ended(const Endpoint& server, const Error& why, Outcome outcome) {
    if (outcome == Outcome::left) return;
    std::string text = ServerList::explain(server, why);
    // Servers that stay away are worth one line each, not one per try.
    std::erase_if(told_, [this](const auto& one) {
        return !std::ranges::contains(servers_.all(), one.first);
    });
    std::string& told = told_[server];
    if (outcome == Outcome::lost) {
        log::warn("lost the server; serving from what is known",
                  {{"server", server.to_string()}, {"error", why}});
    } else if (text != told) {
        log::warn("a server can't be used; trying on",
                  {{"server", server.to_string()}, {"error", why}});
    }
    told = text;
    state_.last_error = std::move(text);
}

} // namespace hawser::agent
