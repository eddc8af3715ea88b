// A server of one, step by step: a core, and a disk that keeps only what was carried out. A test
// decides when a write reaches the disk and when the server crashes.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "raft/bootstrap.h"
#include "raft/core.h"

namespace hawser::raft::test {

inline constexpr ServerId self = 0x1001;

// What survives a crash.
struct Disk {
    HardState hard_state;
    Base base;
    std::vector<Entry> entries;
    Index applied = 0; // of the state machine's own storage

    void write(const Persist& persist) {
        hard_state = persist.hard_state;
        if (persist.entries.empty()) return;
        const Index first = persist.entries.front().index;
        std::erase_if(entries, [&](const Entry& entry) { return entry.index >= first; });
        entries.insert(entries.end(), persist.entries.begin(), persist.entries.end());
    }
    void compact(const Base& to) {
        base = to;
        std::erase_if(entries,
                      [&](const Entry& entry) { return entry.index <= to.position.index; });
    }
    [[nodiscard]] Restored restored() const {
        return {.id = self,
                .hard_state = hard_state,
                .base = base,
                .entries = entries,
                .applied = applied};
    }
};

class OneServer {
  public:
    // Bootstrapped, not yet ticked.
    explicit OneServer(Options with = {.trailing_entries = 0}) : options(with) {
        disk.write(bootstrap({self}));
        restart();
    }

    Actions step(decltype(Event::what) what) {
        Actions actions = core->step({.now = Instant(++now_), .what = std::move(what)});
        if (actions.persist) writes.push_back(*actions.persist);
        for (const Entry& entry : actions.apply) {
            // In order and without gaps, whatever the test does.
            CHECK(entry.index == applied_index() + 1);
            applied.push_back(entry);
        }
        if (actions.compact) disk.compact(*actions.compact);
        return actions;
    }

    Actions propose(std::vector<std::string> commands) {
        Propose propose;
        for (std::string& command : commands)
            propose.commands.push_back(make_payload(std::move(command)));
        return step(std::move(propose));
    }

    // The oldest write reaches the disk, and the core hears of it.
    Actions write_one() {
        REQUIRE(!writes.empty());
        const Persist persist = writes.front();
        writes.pop_front();
        disk.write(persist);
        return step(Persisted{.sequence = persist.sequence});
    }
    void write_all() {
        while (!writes.empty()) write_one();
    }

    // Loses everything that is not on the disk.
    void restart() {
        writes.clear();
        applied.clear();
        restored_applied_ = disk.applied;
        Result<Core> restored = Core::restore(disk.restored(), options);
        REQUIRE(restored.has_value());
        core.emplace(std::move(*restored));
    }

    // Ticks and writes until it leads.
    void lead() {
        step(Tick{});
        write_all();
        REQUIRE(core->role() == Role::leader);
    }

    [[nodiscard]] Index applied_index() const {
        return applied.empty() ? restored_applied_ : applied.back().index;
    }
    [[nodiscard]] std::vector<std::string> applied_commands() const {
        std::vector<std::string> commands;
        for (const Entry& entry : applied)
            if (entry.kind == EntryKind::command) commands.push_back(*entry.data);
        return commands;
    }

    Options options;
    Disk disk;
    std::optional<Core> core;
    std::deque<Persist> writes; // asked for, not yet on the disk
    std::vector<Entry> applied; // since the last restart

  private:
    std::int64_t now_ = 0;
    Index restored_applied_ = 0;
};

} // namespace hawser::raft::test
