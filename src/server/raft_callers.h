// Who waits for which entry of the log, and what became of it. Bookkeeping only: raft_node.cpp
// proposes, forwards and applies.
//
// A proposal is certain to be carried out when the entry with its index and term is applied, and
// certain not to be when another entry is applied in its place, or any of a later term before it:
// a leader of a later term had everything that was committed (§3.6). Otherwise its fate is unknown.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.h"
#include "io/loop.h"
#include "raft/event.h"
#include "registry/draft.h"
#include "server/broadcast.h"

namespace hawser::server {

struct Fate {
    enum class Kind : std::uint8_t {
        carried_out, // with this outcome, which may be the registry's refusal
        lost,        // it never will be: it may be tried again
        unknown,     // it may have been, or may still be
    };
    Kind kind = Kind::unknown;
    Result<registry::Outcome> outcome;
};

class Caller {
  public:
    explicit Caller(io::Executor executor) : given_(executor) {}

    void give(Fate fate);
    [[nodiscard]] const std::optional<Fate>& fate() const { return fate_; }
    [[nodiscard]] std::optional<Fate>& fate() { return fate_; }
    // Until there is a fate, or the deadline.
    [[nodiscard]] io::Task<void> wait_until(std::chrono::steady_clock::time_point deadline);

    bool gone = false;     // waits no longer: what was not yet proposed will not be
    bool proposed = false; // it may be in the log

  private:
    std::optional<Fate> fate_;
    Broadcast given_;
};
using CallerPtr = std::shared_ptr<Caller>;

class Callers {
  public:
    struct Queued {
        raft::Payload command;
        CallerPtr caller;
    };
    using Batch = std::vector<Queued>;

    void queue(raft::Payload command, CallerPtr caller);
    [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }
    // What is to be proposed next; those whose callers left are dropped.
    [[nodiscard]] Batch take(std::size_t most, std::size_t most_bytes);
    [[nodiscard]] bool idle() const { return queue_.empty() && awaited_.empty(); }
    [[nodiscard]] bool nothing_queued() const { return queue_.empty(); }
    [[nodiscard]] std::size_t size() const { return queue_.size() + awaited_.size(); }

    // They are in a leader's log, and may have been applied here already.
    void accepted(Batch batch, const raft::Accepted& places);
    // What each of a batch is told.
    static void tell(const Batch& batch, Fate::Kind kind, const Error& error);

    // While a batch is on its way to the leader, what is applied meanwhile is remembered: the entry
    // may be here before the answer that says which it is.
    void begin_forwarding() { ++forwarding_; }
    void end_forwarding();

    void applied(const raft::Position& entry, Result<registry::Outcome> outcome);
    // A snapshot took the place of everything up to this entry.
    void installed(const raft::Position& last);

    // No write is taken any more, for now: what is queued is lost.
    void give_up_queued(const Error& error);
    // Nothing will be applied any more.
    void give_up(const Error& error);

  private:
    struct Applied {
        raft::Position entry;
        Result<registry::Outcome> outcome;
    };
    void lose_older_than(raft::Term term);
    [[nodiscard]] const Applied* find_recent(raft::Index index) const;

    std::deque<Queued> queue_;
    std::size_t queued_bytes_ = 0;                // of its commands
    std::map<raft::Position, CallerPtr> awaited_; // by the entry that answers them
    raft::Position last_applied_{};
    std::size_t forwarding_ = 0;
    std::deque<Applied> recent_; // while forwarding: what nobody here waited for
};

} // namespace hawser::server
