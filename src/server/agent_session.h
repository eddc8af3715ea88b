// Serves one agent's stream: takes its registrations, and sends it the mesh: first what it lacks
// (changes since the index it has cached, or a snapshot), then every change, each batch ending in a
// state that was the registry's at one index.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/signal.h"
#include "model/proto/control.pb.h"
#include "rpc/server.h"
#include "server/raft_node.h"
#include "server/refusals.h"
#include "server/sessions.h"
#include "server/watch_hub.h"

namespace hawser::server {

class AgentSession {
  public:
    // All must outlive run().
    struct Parts {
        io::Executor executor;
        RaftNode& raft;
        Sessions& sessions;
        WatchHub& hub;
        Refusals& refusals;
        std::vector<Endpoint> reachable; // where this server is
    };

    // `caller` has shown the certificate of `node`, and outlives the session.
    AgentSession(Parts parts, const rpc::Caller& caller, std::string node,
                 rpc::MessageStream& messages);

    // Until the agent ends it, it breaks, or the server ends it. Survives being cancelled: what it
    // started is joined first.
    [[nodiscard]] io::Task<Result<void>> run();

  private:
    [[nodiscard]] io::Task<Result<void>> read_hello();
    [[nodiscard]] Result<void> check_not_superseded() const;
    [[nodiscard]] Result<void> check_nothing_was_lost() const;
    [[nodiscard]] io::Task<Result<void>> read_messages();
    [[nodiscard]] io::Task<Result<std::optional<v1::AgentMessage>>> read_message();
    [[nodiscard]] std::string leave_out_forbidden(model::SyncNode& command) const;
    [[nodiscard]] io::Task<void> register_node(v1::SyncNode message);
    void refuse(const Error& error);
    void say(v1::ServerMessage message);

    [[nodiscard]] io::Task<void> write_messages();
    [[nodiscard]] io::Task<bool> write_answers();
    [[nodiscard]] io::Task<bool> write_changes();
    [[nodiscard]] io::Task<bool> write_rows();
    [[nodiscard]] io::Task<bool> write_batches(const std::vector<model::Change>& changes,
                                               std::uint64_t index);
    [[nodiscard]] io::Task<bool> write(v1::ServerMessage message);

    Parts parts_;
    const rpc::Caller& caller_;
    rpc::MessageStream& messages_;
    AgentStream stream_;
    io::Signal wake_;                       // of the writer
    std::deque<v1::ServerMessage> answers_; // to registrations; one is asked at a time
    std::uint64_t sent_index_ = 0;          // what the agent has once it read everything sent
    bool sent_anything_ = false;
    WallTime followed_since_ = 0; // the epoch that the agent followed last began then
    bool other_history_ = false;  // what the agent has is not of this registry's history
};

} // namespace hawser::server
