// The agent's one conversation with a server: says who is here, hears what the mesh is, reports
// what is enforced. For ever: when a server goes, the next one, with jittered pauses between
// rounds; an agent never gives up and never stops serving meanwhile. Away from home (the server
// that its list puts first) it looks for home now and then, and goes back once that answers.
//
// One task reads and decides; one writes, woken by what there is to say or by the heartbeat; one
// looks for home.
// Control loop only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/mesh_state.h"
#include "agent/server_list.h"
#include "base/ip.h"
#include "base/random.h"
#include "base/result.h"
#include "base/units.h"
#include "io/loop.h"
#include "io/signal.h"
#include "io/task_group.h"
#include "model/command.h"
#include "tls/credentials.h"

namespace hawser::rpc {
class Client;
}

namespace hawser::agent {

struct ControlSessionOptions {
    std::string version;
    std::function<tls::CredentialsPtr()> credentials; // the node's, asked for each connection
    std::function<model::SyncNode()> registration;    // as it is now
    std::function<void()> on_mesh;                    // the mesh state is new
    std::uint64_t seed = 0;
    // Away from home it is looked for after once to twice this time, again and again.
    std::chrono::milliseconds look_home{300'000};
};

// For `status` and metrics.
struct ControlState {
    std::optional<Endpoint> server; // connected to, past the first complete state
    WallTime since = 0;
    bool heard = false;     // a server's state was taken since the start: not only the cache
    std::string last_error; // why the last connection failed or ended; empty while connected
    std::string refusal;    // the registry refused this host's registration
    std::uint64_t registered_index = 0;   // of the registry, with our last registration
    std::uint64_t sent_registrations = 0; // of the current connection
    std::uint64_t answered_registrations = 0;
};

class ControlSession {
  public:
    // Everything referred to outlives the session's stop().
    ControlSession(io::Executor executor, ControlSessionOptions options, MeshState& mesh,
                   ServerList& servers);
    ~ControlSession();

    void start();
    // Tells the server, if one is there, that this agent has stopped.
    [[nodiscard]] io::Task<void> stop();

    void registration_changed();
    // The node's certificate is new: connects anew with it, before the old one's end ends the
    // session.
    void credentials_changed();
    void enforced(std::uint64_t index); // every worker uses it
    // The newest registration is in the registry, or nobody is there to tell, or time is up.
    [[nodiscard]] io::Task<void> settle_registration(std::chrono::milliseconds timeout);

    [[nodiscard]] const ControlState& state() const { return state_; }

  private:
    struct Connection;
    [[nodiscard]] io::Task<void> run();
    enum class Outcome { failed, lost, left };
    // Until the connection ends. failed: it never got as far as a complete state; left: by us.
    [[nodiscard]] io::Task<Outcome> converse(Endpoint server);
    [[nodiscard]] io::Task<Result<void>> connect(Connection& connection);
    [[nodiscard]] io::Task<Result<std::unique_ptr<rpc::Client>>> reach(Endpoint server);
    [[nodiscard]] io::Task<void> look_home();
    void leave();
    [[nodiscard]] io::Task<Error> read_all(Connection& connection);
    [[nodiscard]] Result<void> take(Connection& connection, const std::string& bytes);
    [[nodiscard]] Result<void> take_changes(Connection& connection, const v1::MeshChanges& changes);
    void refused(const std::string& reason);
    [[nodiscard]] io::Task<void> write_all(std::shared_ptr<Connection> connection);
    // What there is to say, or a heartbeat.
    [[nodiscard]] v1::AgentMessage next_message(Connection& connection);
    void ended(const Endpoint& server, const Error& why, Outcome outcome);

    io::Executor executor_;
    ControlSessionOptions options_;
    MeshState& mesh_;
    ServerList& servers_;
    Random random_;
    ControlState state_;
    std::map<Endpoint, std::string> told_; // what was said of a server since it last worked
    bool registration_waits_ = false;
    bool stopping_ = false;
    std::uint64_t enforced_ = 0;
    std::shared_ptr<Connection> connection_; // the current one, for the wake-ups
    io::Signal answered_;                    // a registration was, or nobody is left to do it
    io::TaskGroup tasks_;
};

} // namespace hawser::agent
