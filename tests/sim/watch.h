// Following every change, from whichever server: what agents do. A server keeps its recent changes
// (as server/watch_hub does); a watcher keeps the index it has, and asks for what came after.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "machine.h"
#include "world.h"

namespace hawser::raft::sim {

class Cluster;
class Server;

// The last changes that a server applied.
class History {
  public:
    explicit History(std::size_t capacity) : capacity_(capacity) {}

    // The state machine is at `index`; what came before is not held.
    void begin(Index index) {
        changes_.clear();
        index_ = held_from_ = index;
    }
    void add(const Entry& entry);

    [[nodiscard]] Index index() const { return index_; }
    // What came after `have`; none: no longer held.
    [[nodiscard]] std::optional<std::vector<Change>> since(Index have) const;

  private:
    std::size_t capacity_;
    Index index_ = 0;
    Index held_from_ = 0;
    std::deque<Change> changes_;
};

class Watcher {
  public:
    explicit Watcher(Cluster& cluster);

    void begin();
    [[nodiscard]] Index has() const { return have_; }

  private:
    void ask();
    void ask(Server& server);

    Cluster& cluster_;
    World& world_;
    Index have_ = 0;
    ServerId server_ = no_server;
};

} // namespace hawser::raft::sim
