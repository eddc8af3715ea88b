// A whole cluster, its clients and its misfortunes, from one seed; see tests/sim/run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "network.h"
#include "server.h"
#include "watch.h"
#include "world.h"

namespace hawser::raft::sim {

class Cluster {
  public:
    explicit Cluster(World& world);

    // Runs to the end or to the first finding, which is then the oracle's.
    void run();
    // How everybody stands, for the story.
    void describe() const;

    [[nodiscard]] World& world() { return world_; }
    [[nodiscard]] Network& network() { return network_; }
    [[nodiscard]] std::vector<std::unique_ptr<Server>>& servers() { return servers_; }
    [[nodiscard]] Server* find(ServerId id);
    [[nodiscard]] Server& any();
    // Of those that believe it; null: nobody does.
    [[nodiscard]] Server* any_leader();
    Server& add_server();

  private:
    void run_until(Time end, bool (Cluster::*or_when)() const = nullptr);
    void run_client();
    void write_somewhere(std::uint64_t batch);
    void read_somewhere();

    // Liveness: a majority that is whole again must get on with it, soon, and then stay calm,
    // whatever goes on around it.
    void mend();
    void forsake_some();
    void forsake(Server& server);
    [[nodiscard]] bool majority_is_left() const;
    void prove_life();
    void prove_calm();
    struct Reign {
        ServerId leader = no_server;
        Term term = 0;
        bool operator==(const Reign&) const = default;
    };
    [[nodiscard]] Reign present_reign() const;
    void expect(Reign reign, const char* although);
    bool cut_off_somebody();
    void probe();
    [[nodiscard]] bool recovered() const;
    [[nodiscard]] const Server* newest() const;

    World& world_;
    Network network_;
    std::vector<std::unique_ptr<Server>> servers_;
    std::vector<std::unique_ptr<Watcher>> watchers_;
    std::uint64_t last_command_ = 0;

    // Of the proof.
    struct Proof {
        Index written = 0; // by the first operation that began after the mending
        std::vector<ServerId> read_at;
        std::vector<ServerId> forsaken;
        bool over = false;
    } proof_;
};

} // namespace hawser::raft::sim
