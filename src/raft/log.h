// The held part of the log, in memory: everything after the base. Raft's rules about it (what may
// be overwritten, what is committed) are the core's; this only keeps entries in their places.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/types.h"

namespace hawser::raft {

class Log {
  public:
    // Refuses entries that do not follow one another from the base on: what the disk gave back is
    // then not a log this server wrote.
    static Result<Log> restore(Base base, std::vector<Entry> entries);

    [[nodiscard]] Position last() const;
    [[nodiscard]] Index first_index() const { return base_.position.index + 1; }
    // Of the base, or of a held entry; none: compacted away, or not yet written.
    [[nodiscard]] std::optional<Term> term_at(Index index) const;
    // The held entries first … last, both included.
    [[nodiscard]] std::vector<Entry> range(Index first, Index last) const;
    // In force at the end of the log: a configuration counts from when it is written (§4.1).
    [[nodiscard]] const Configuration& configuration() const { return latest_configuration_; }
    [[nodiscard]] const Base& base() const { return base_; }

    Entry append(Term term, EntryKind kind, Payload data);
    // Forgets everything up to `index`, which is held.
    void compact(Index index);

  private:
    [[nodiscard]] const Entry& at(Index index) const;

    Base base_;
    std::deque<Entry> entries_;
    Configuration latest_configuration_;
};

} // namespace hawser::raft
