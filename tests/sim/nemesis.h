// Breaks things, at random moments, in the ways that the run's profile asks for.
#pragma once

#include <cstdint>
#include <map>
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
    void wait_and_strike();
    void ambush(ServerId leader);
    [[nodiscard]] ServerId other_voter(const Server& server);
    void press(ServerId leader, Time until);
    void interrupt_install();
    void crash();
    void power_cut();
    void end(Server& server, bool power_cut);
    void blackout();
    void lose_disk();
    void flip_bit();
    void put_back_disk();
    [[nodiscard]] bool would_break_a_promise(const Server& server, const Disk& copy) const;
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
    void change_membership(Server& leader);
    void transfer();
    void heal();

    Cluster& cluster_;
    World& world_;
    std::vector<Deed> deeds_;
    std::uint64_t weights_ = 0;
    std::uint64_t ambushes_ = 0;
    std::map<ServerId, Disk> copies_; // of disks, to be put back
};

} // namespace hawser::raft::sim
