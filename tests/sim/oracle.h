// Knows what happened everywhere, and what must never happen (figure 3.2).
//
//   election safety       one leader a term
//   log matching          an index and a term name one entry, with one predecessor
//   leader completeness   who leads holds everything that was ever committed
//   state-machine safety  everybody applies the same, in order, once
//   promises              votes and acknowledgements speak of what is on the disk, and stays
//   linearizability       an operation sees what was done before it began, and acknowledged
//                         writes stay
//   watch                 a watcher is told every change once, in order, or to begin anew
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "disk.h"
#include "machine.h"
#include "raft/core.h"

namespace hawser::raft::sim {

class Oracle {
  public:
    // What is wrong; the first finding counts.
    [[nodiscard]] const std::string& finding() const { return finding_; }
    [[nodiscard]] bool content() const { return finding_.empty(); }
    void fail(std::string finding);

    void entry_written(ServerId server, const Entry& entry, Term previous);
    // Before it is so on the disk.
    void persists(ServerId server, const Persist& persist);
    void leads(ServerId server, Term term, const LogDisk& log);
    // `now`: the term in which the server does it.
    void applied(ServerId server, const Entry& entry, Term now, std::uint64_t hash,
                 const LogDisk& disk);
    void installed(ServerId server, const Machine& machine);
    // `log`: what the sender's core believes; `disk`: what would survive.
    void sends(const Message& message, const LogDisk& log, const LogDisk& disk);
    void restarts(ServerId server, const LogDisk& disk);
    // Its disk has an older state from now on: what it promised since is nobody's any more.
    void forgets(ServerId server, const LogDisk& disk);

    // Operations. What has completed, everything that begins later must see.
    [[nodiscard]] Index completed() const { return completed_; }
    void wrote(std::uint64_t command, Index index, Index completed_before);
    void read(const Machine& machine, Index completed_before);

    // A watcher that had everything up to `have` is told these changes, and then has all up to
    // `to`.
    void watched(Index have, const std::vector<Change>& changes, Index to);
    // … or is told that they are no longer held, and begins with this.
    void resynced(const Machine& machine);

    [[nodiscard]] std::uint64_t writes() const { return writes_; }
    [[nodiscard]] std::uint64_t reads() const { return reads_; }
    [[nodiscard]] Term terms() const { return leaders_.empty() ? 0 : leaders_.rbegin()->first; }

  private:
    struct Committed {
        Term term = 0;
        Term known_in = 0; // committed in this term or before
        std::uint64_t digest = 0;
        std::uint64_t hash = 0;    // of the state machine after it
        std::uint64_t command = 0; // 0: not a command
    };
    struct Promise {
        Term term = 0;
        Index index = 0;
    };
    struct Written {
        std::uint64_t digest = 0;
        Term previous = 0;
    };

    [[nodiscard]] bool was_committed(const Machine& machine) const;

    std::string finding_;
    std::map<Term, ServerId> leaders_;
    std::vector<Committed> committed_; // [0]: entry 1
    std::unordered_set<std::uint64_t> commands_;
    std::unordered_map<std::uint64_t, Written> written_; // by index and term
    std::unordered_map<ServerId, Promise> acknowledged_;
    std::unordered_map<ServerId, Term> terms_; // on the disks
    Index completed_ = 0;
    std::uint64_t writes_ = 0, reads_ = 0;
};

} // namespace hawser::raft::sim
