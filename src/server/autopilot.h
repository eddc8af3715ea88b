// What the leader does about the members of the cluster, without being told: whoever joined becomes
// a learner, whoever has caught up and stays so becomes a voter, whoever is to leave goes, and
// whoever was silent for days goes too. Pure: what is known goes in, the one thing to do next comes
// out.
//
// The registry's rows say who should be a member, raft's configuration says who is. A server leaves
// in three steps that any leader can go on with: its row says so, raft drops it, its row goes.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/units.h"
#include "model/resources.h"
#include "raft/core.h"

namespace hawser::server {

// What a leader sees.
struct ClusterView {
    raft::ServerId self = raft::no_server;
    raft::Instant now{};
    raft::Configuration configuration{};
    std::vector<raft::PeerStatus> peers{};
    std::vector<model::Server> servers{}; // the registry's rows
};

struct AutopilotOptions {
    Duration dead_after = std::chrono::hours(72); // zero: nobody is dead
    // A learner that has caught up must stay so for this long: one that comes and goes would take
    // part in no majority and count for each.
    Duration stable_for = std::chrono::seconds(2);
};

class Autopilot {
  public:
    struct AddLearner {
        raft::ServerId server = raft::no_server;
    };
    struct Promote {
        raft::ServerId server = raft::no_server;
    };
    struct Drop { // from raft's configuration
        raft::ServerId server = raft::no_server;
    };
    struct Forget { // its row
        raft::ServerId server = raft::no_server;
    };
    struct SendAway { // marks its row: `silent` for too long
        std::string name;
        Duration silent{};
    };
    struct HandOver {}; // leadership, because this server is to leave
    struct Nothing {};
    using Step = std::variant<Nothing, AddLearner, Promote, Drop, Forget, SendAway, HandOver>;

    explicit Autopilot(AutopilotOptions options) : options_(options) {}

    // For each term of leadership a new one: what it remembers, it saw itself.
    [[nodiscard]] Step next(const ClusterView& view);

  private:
    [[nodiscard]] Duration silence(const ClusterView& view, raft::ServerId id) const;
    [[nodiscard]] Step leave(const ClusterView& view) const;
    [[nodiscard]] Step join(const ClusterView& view) const;
    [[nodiscard]] Step clean_up(const ClusterView& view) const;
    void remember(const ClusterView& view);

    AutopilotOptions options_;
    std::map<raft::ServerId, raft::Instant> caught_up_since_;
    std::map<raft::ServerId, raft::Instant> heard_; // or first seen by this leader
};

} // namespace hawser::server
