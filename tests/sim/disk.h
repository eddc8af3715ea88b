// What survives a crash of a simulated server, with the promises of store/: the log's transactions
// are durable once they are done; the state machine's storage survives the end of the process at
// once, and a power cut only when it was synced.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "machine.h"
#include "raft/core.h"

namespace hawser::raft::sim {

class LogDisk {
  public:
    void write(const Persist& persist);
    void compact(const Base& base);

    [[nodiscard]] const HardState& hard_state() const { return hard_state_; }
    [[nodiscard]] const Base& base() const { return base_; }
    [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
    [[nodiscard]] Index last() const { return base_.position.index + entries_.size(); }
    [[nodiscard]] std::optional<Term> term_at(Index index) const;

  private:
    HardState hard_state_;
    Base base_;
    std::vector<Entry> entries_;
};

// The state machine's own storage.
struct StateDisk {
    Machine machine;
    std::optional<Base> snapshot; // it was last installed from
};

struct Disk {
    LogDisk log;
    StateDisk written;
    StateDisk synced;
};

} // namespace hawser::raft::sim
