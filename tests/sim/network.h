// Carries messages between servers: late, in another order, twice, or not at all.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <utility>

#include "raft/message.h"
#include "world.h"

namespace hawser::raft::sim {

class Network {
  public:
    using Link = std::pair<ServerId, ServerId>; // from, to
    using Receiver = std::function<void(Message)>;

    Network(World& world, Receiver receiver) : world_(world), receiver_(std::move(receiver)) {}

    void send(const Message& message);

    void cut(ServerId from, ServerId to) { cut_.insert({from, to}); }
    void heal() { cut_.clear(); }

  private:
    void carry(const Message& message);

    World& world_;
    Receiver receiver_;
    std::set<Link> cut_;
    std::map<Link, Time> arrivals_; // the latest of each link, where order is kept
};

} // namespace hawser::raft::sim
