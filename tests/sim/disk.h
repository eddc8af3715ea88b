// What survives a crash of a simulated server, with the promises of store/: the log's transactions
// are durable once they are done; the state machine's storage survives the end of the process at
// once, and a power cut only when it was synced. Rows carry checksums: a bit that flipped while it
// lay there is noticed when the server starts, which it then does not.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/random.h"
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

    void flip_bit(Random& random);
    [[nodiscard]] bool is_sound() const;

  private:
    HardState hard_state_;
    std::uint64_t hard_state_checksum_ = 0;
    Base base_;
    std::vector<Entry> entries_;
    std::vector<std::uint64_t> checksums_; // of entries_, as they were written
};

// The state machine's own storage.
struct StateDisk {
    Machine machine;
    std::uint64_t checksum = machine.checksum();
    std::optional<Base> snapshot; // it was last installed from
};

struct Disk {
    LogDisk log;
    StateDisk written;
    StateDisk synced;

    void flip_bit(Random& random);
    [[nodiscard]] bool is_sound() const {
        return log.is_sound() && written.machine.checksum() == written.checksum;
    }
};

} // namespace hawser::raft::sim
