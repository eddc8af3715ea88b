// Which agents are there. An agent is alive while it says something at least every
// session_timeout, over whatever connection to whatever server; when it falls silent, its node is
// marked dead in the registry and its instances stop receiving traffic everywhere. Only the leader
// judges that (lease_table.h); the others tell it whom they hear. A new leader gives every agent
// the same time to come back.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/loop.h"
#include "io/task_group.h"
#include "rpc/server.h"
#include "server/broadcast.h"
#include "server/lease_table.h"
#include "server/raft_node.h"

namespace hawser::server {

// One agent's stream, from its hello to its end. Owned by the coroutine that serves it.
struct AgentStream {
    std::string node;
    std::string remote;
    WallTime connected_at = 0;
    std::uint64_t certificate_generation = 0;
    WallTime certificate_not_after = 0;
    std::uint64_t enforced_index = 0;
    bool registered = false;  // its registration of this stream is in the registry
    bool registering = false; // it waits for our disk: that silence is not its own
    rpc::MessageStream* messages = nullptr;
    std::string ended_because; // set when the server ends it
};

class Sessions {
  public:
    using Clock = std::chrono::steady_clock;

    Sessions(io::Executor executor, RaftNode& raft, std::string server, Duration session_timeout);

    // The stream is its agent's until the registration goes; an older one of the same node is
    // ended.
    class Registration {
      public:
        Registration(Sessions& sessions, AgentStream& stream);
        Registration(const Registration&) = delete;
        Registration& operator=(const Registration&) = delete;
        ~Registration();

      private:
        Sessions& sessions_;
        AgentStream& stream_;
    };

    // The agent said something: it is alive.
    void heard(const AgentStream& stream);
    void enforced(AgentStream& stream, std::uint64_t index);
    // It said that it stops: its node is out now, nobody waits for its silence.
    void leaves(AgentStream& stream);

    // An agent has seen more of this registry's history than there is here. true: more than any
    // did.
    struct Ahead {
        std::uint64_t index = 0; // 0: none has
        std::string node;
    };
    bool is_ahead(const std::string& node, std::uint64_t index);
    [[nodiscard]] const Ahead& farthest_ahead() const { return ahead_; }

    // Every agent that is connected, by node.
    [[nodiscard]] std::vector<const AgentStream*> connected() const;

    // Whom this server hears, for the leader; and what another one told this one, which leads.
    [[nodiscard]] std::vector<LeaseTable::Sighting> sightings() const;
    void take(std::vector<LeaseTable::Sighting> sightings);

    // Whether agents are served here. One that hears no leader, or is far behind, sends them away:
    // another server has newer words for them.
    void serve();
    void refuse(const std::string& why);
    [[nodiscard]] Result<void> serving() const;

    // As the leader knows it.
    struct Enforcement {
        std::vector<std::string> behind; // live nodes that do not enforce the index
        std::vector<std::string> away;   // nodes that were once live, and are not
        std::size_t agents = 0;          // live nodes
    };
    [[nodiscard]] Enforcement enforcement(std::uint64_t index);
    // Returns when no live node is behind, or at the deadline.
    [[nodiscard]] io::Task<Enforcement> wait_enforced(std::uint64_t index,
                                                      Clock::time_point deadline);

    // Something of this changed, or the deadline passed.
    [[nodiscard]] io::Task<void> changed(Clock::time_point deadline);

    // Watches over all of this until cancelled.
    [[nodiscard]] io::Task<void> supervise();
    // Ends every stream and supervises no more; agents go to another server or come back.
    void end_all(const std::string& why);
    [[nodiscard]] io::Task<void> join() { return tasks_.join(); }
    [[nodiscard]] Duration session_timeout() const { return session_timeout_; }

  private:
    struct Presence {
        Clock::time_point last_heard;
        AgentStream* stream = nullptr; // null: not connected
        bool left = false;             // said that it stops
    };

    void review_leases(Clock::time_point now);
    void forgive(Clock::duration pause);
    void review_streams(WallTime wall);
    [[nodiscard]] bool has_left(const std::string& node) const;
    [[nodiscard]] std::vector<const model::Node*> nodes() const;
    void end(AgentStream& stream, const std::string& why);
    void end_streams(const std::string& why);
    enum class Word : std::uint8_t { agents, leaders }; // whose it is that a node is alive, or not
    void set_alive(const std::string& node, bool alive, Word word);
    io::Task<void> propose_alive(std::string node, bool alive, Word word);

    io::Executor executor_;
    RaftNode& raft_;
    std::string server_;
    Duration session_timeout_;
    std::map<std::string, Presence> presences_; // of nodes heard since the start
    LeaseTable leases_;
    bool led_ = false;
    Ahead ahead_;
    std::string refusing_ = "this server is starting"; // empty: it is not
    std::set<std::string> proposing_;                  // nodes whose change is under way
    Broadcast changed_;
    io::TaskGroup tasks_;
};

} // namespace hawser::server
