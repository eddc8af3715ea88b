// The held part of the log, in memory: everything after the base. Raft's rules about it (what may
// be overwritten, what is committed) are the core's; this only keeps entries in their places.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
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
    [[nodiscard]] bool holds(const Position& position) const {
        return term_at(position.index) == position.term;
    }
    // The held entries first … last, both included.
    [[nodiscard]] std::vector<Entry> range(Index first, Index last) const;
    // From `first` on, as many as fit; at least one, if there is one.
    [[nodiscard]] std::vector<Entry> slice(Index first, std::size_t entries,
                                           std::size_t bytes) const;
    // The last place at or before `limit.index` whose term is at most `limit.term`: what a log
    // that ends there may share with this one. The base, if there is none after it.
    [[nodiscard]] Position last_before(const Position& limit) const;

    // Of the held entries after `index`: what they take of memory and disk, beside their number.
    [[nodiscard]] std::uint64_t bytes_after(Index index) const {
        return bytes_to(last().index) - bytes_to(index);
    }
    // The first place, from the base on, after which at most so many bytes follow up to `end`.
    [[nodiscard]] Index place_before(Index end, std::uint64_t bytes) const;

    [[nodiscard]] const Base& base() const { return base_; }
    // In force at the end of the log: a configuration counts from when it is written (§4.1).
    [[nodiscard]] const Configuration& configuration() const;
    [[nodiscard]] Index configuration_index() const; // the base's: at most where it begins
    // In force at `index`, which is the base's or held.
    [[nodiscard]] const Configuration& configuration_at(Index index) const;

    // The entry takes its place, which is at most one after the last; what was there and after it
    // goes. Its configuration, if it is one, has been decoded before.
    void put(Entry entry);
    // Forgets everything up to `index`, which is held.
    void compact(Index index);
    // Forgets everything.
    void reset(Base base);

  private:
    struct Placed {
        Index index = 0;
        Configuration configuration;
    };

    [[nodiscard]] const Entry& at(Index index) const;
    [[nodiscard]] std::uint64_t bytes_to(Index index) const;

    Base base_;
    std::deque<Entry> entries_;
    std::uint64_t bytes_to_base_ = 0;
    std::deque<std::uint64_t> bytes_to_; // up to and with each of entries_
    std::deque<Placed> configurations_;  // of entries_
};

} // namespace hawser::raft
