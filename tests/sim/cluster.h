// A whole cluster, its clients and its misfortunes, from one seed; see tests/sim/run.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "network.h"
#include "server.h"
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
    void run_client();
    void write_somewhere();
    void read_somewhere();

    // Liveness: once everything is mended, a majority must get on with it, soon.
    void mend();
    [[nodiscard]] bool majority_is_left() const;
    void prove_life();
    void probe();
    [[nodiscard]] bool recovered() const;
    [[nodiscard]] const Configuration& newest_configuration() const;

    World& world_;
    Network network_;
    std::vector<std::unique_ptr<Server>> servers_;
    std::uint64_t last_command_ = 0;

    // Of the proof.
    struct Proof {
        Index written = 0; // by an operation that began after the mending
        std::vector<ServerId> read_at;
        bool probing = false;
    } proof_;
};

} // namespace hawser::raft::sim
