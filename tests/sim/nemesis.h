// Breaks things, at random moments, in the ways that the run's profile asks for.
#pragma once

#include <cstdint>
#include <vector>

#include "cluster.h"

namespace hawser::raft::sim {

class Nemesis {
  public:
    explicit Nemesis(Cluster& cluster);
    void begin();

  private:
    struct Deed {
        std::uint64_t weight = 0;
        void (Nemesis::*perform)() = nullptr;
    };

    void strike();
    void crash();
    void power_cut();
    void end(Server& server, bool power_cut);
    void blackout();
    void lose_disk();
    void partition();
    void cut_one_way();
    void roll_partition();
    void roll(std::size_t at, std::uint64_t rounds);
    void isolate_leader();
    void isolate(ServerId server);
    void pause();
    void jump_clock();
    void fill_disk();
    void change_membership();
    void transfer();
    void heal();

    Cluster& cluster_;
    World& world_;
    std::vector<Deed> deeds_;
    std::uint64_t weights_ = 0;
};

} // namespace hawser::raft::sim
