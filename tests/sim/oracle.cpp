#include "oracle.h"

#include <algorithm>
#include <format>

namespace hawser::raft::sim {

void Oracle::fail(std::string finding) {
    if (finding_.empty()) finding_ = std::move(finding);
}

void Oracle::entry_written(ServerId server, const Entry& entry, Term previous) {
    const Written written{.digest = digest(entry), .previous = previous};
    const auto [found, is_new] = written_.try_emplace(entry.index << 24 | entry.term, written);
    if (is_new) return;
    if (found->second.digest != written.digest || found->second.previous != previous) {
        fail(std::format("log matching: server {:x} writes another entry {} of term {}", server,
                         entry.index, entry.term));
    }
}

// A leader's log only grows: what it was told of in its term, it is not to lose by it.
void Oracle::persists(ServerId server, const Persist& persist) {
    const auto found = acknowledged_.find(server);
    if (found == acknowledged_.end() || found->second.term != persist.hard_state.term) return;
    Index kept = found->second.index;
    if (persist.reset && persist.reset->position.index < kept)
        kept = persist.reset->position.index;
    else if (!persist.entries.empty())
        kept = std::min(kept, persist.entries.front().index - 1);
    if (kept == found->second.index) return;
    fail(std::format("promises: server {:x} acknowledged entry {} in term {}, and takes it back",
                     server, found->second.index, found->second.term));
}

void Oracle::leads(ServerId server, Term term, const LogDisk& log) {
    const auto [found, is_new] = leaders_.try_emplace(term, server);
    if (!is_new) {
        fail(std::format("election safety: term {} has leaders {:x} and {:x}", term, found->second,
                         server));
    }
    // What later terms committed while this election was going on, it need not have.
    Index committed = committed_.size();
    while (committed > 0 && committed_[committed - 1].known_in >= term) --committed;
    if (committed <= log.base().position.index) return;
    if (log.term_at(committed) != committed_[committed - 1].term) {
        fail(
            std::format("leader completeness: server {:x} leads term {} without entry {} of term "
                        "{}",
                        server, term, committed, committed_[committed - 1].term));
    }
}

void Oracle::applied(ServerId server, const Entry& entry, Term now, std::uint64_t hash,
                     const LogDisk& disk) {
    if (disk.term_at(entry.index) != entry.term && entry.index > disk.base().position.index) {
        fail(std::format("promises: server {:x} applies entry {}, which is not on its disk", server,
                         entry.index));
    }
    if (entry.index > committed_.size() + 1) {
        fail(std::format("server {:x} applies entry {} though nobody applied the one before",
                         server, entry.index));
        return;
    }
    const Committed committed{
        .term = entry.term,
        .known_in = now,
        .digest = digest(entry),
        .hash = hash,
        .command = entry.kind == EntryKind::command ? command_number(entry) : 0};
    if (entry.index == committed_.size() + 1) {
        committed_.push_back(committed);
        if (committed.command != 0 && !commands_.insert(committed.command).second) {
            fail(std::format("command {} is committed twice", committed.command));
        }
        return;
    }
    const Committed& first = committed_[entry.index - 1];
    if (first.term != committed.term || first.digest != committed.digest ||
        first.hash != committed.hash) {
        fail(
            std::format("state-machine safety: server {:x} applies entry {} of term {}, others "
                        "applied that of term {}",
                        server, entry.index, entry.term, first.term));
    }
}

bool Oracle::was_committed(const Machine& machine) const {
    return machine.applied > 0 && machine.applied <= committed_.size() &&
           committed_[machine.applied - 1].hash == machine.hash;
}

void Oracle::installed(ServerId server, const Machine& machine) {
    if (!was_committed(machine)) {
        fail(
            std::format("state-machine safety: server {:x} installs a snapshot of entry {} that "
                        "nobody had",
                        server, machine.applied));
    }
}

void Oracle::sends(const Message& message, const LogDisk& log, const LogDisk& disk) {
    const HardState& stored = disk.hard_state();
    const auto promise = [&](bool kept, const char* what) {
        if (kept) return;
        fail(
            std::format("promises: server {:x} {} in term {}, its disk has term {}, vote {:x}, "
                        "last entry {}",
                        message.from, what, message.term, stored.term, stored.vote, disk.last()));
    };
    if (const auto* vote = std::get_if<VoteReply>(&message.body); vote && vote->granted) {
        promise(stored == HardState{.term = message.term, .vote = message.to}, "votes");
    } else if (std::holds_alternative<VoteRequest>(message.body)) {
        promise(stored == HardState{.term = message.term, .vote = message.from}, "asks for votes");
    } else if (const auto* reply = std::get_if<AppendReply>(&message.body);
               reply && reply->match > 0) {
        const bool same = reply->match < log.base().position.index ||
                          disk.term_at(reply->match) == log.term_at(reply->match);
        promise(stored.term == message.term && disk.last() >= reply->match && same, "acknowledges");
        Promise& promised = acknowledged_[message.from];
        if (promised.term != message.term) promised = {.term = message.term};
        promised.index = std::max(promised.index, reply->match);
    }
}

void Oracle::restarts(ServerId server, const LogDisk& disk) {
    Term& term = terms_[server];
    if (disk.hard_state().term < term) {
        fail(std::format("the term of server {:x} falls from {} to {}", server, term,
                         disk.hard_state().term));
    }
    term = disk.hard_state().term;
}

void Oracle::forgets(ServerId server, const LogDisk& disk) {
    acknowledged_.erase(server);
    terms_[server] = disk.hard_state().term;
}

void Oracle::wrote(std::uint64_t command, Index index, Index completed_before) {
    ++writes_;
    if (index > committed_.size() || committed_[index - 1].command != command) {
        fail(
            std::format("command {} is acknowledged at entry {}, where it is not", command, index));
    }
    if (index <= completed_before) {
        fail(
            std::format("linearizability: a write that began after entry {} completed is entry "
                        "{}",
                        completed_before, index));
    }
    completed_ = std::max(completed_, index);
}

void Oracle::read(const Machine& machine, Index completed_before) {
    ++reads_;
    if (machine.applied < completed_before) {
        fail(
            std::format("linearizability: a read that began after entry {} completed sees entry "
                        "{}",
                        completed_before, machine.applied));
    }
    completed_ = std::max(completed_, machine.applied);
}

void Oracle::watched(Index have, const std::vector<Change>& changes, Index to) {
    std::vector<Change> all;
    for (Index index = have + 1; index <= std::min(to, Index{committed_.size()}); ++index) {
        const std::uint64_t command = committed_[index - 1].command;
        if (command != 0) all.push_back({.index = index, .command = command});
    }
    if (changes == all && to <= committed_.size()) return;
    fail(std::format("watch: of {} changes after entry {} up to {} a watcher is told {}, or others",
                     all.size(), have, to, changes.size()));
}

void Oracle::resynced(const Machine& machine) {
    if (was_committed(machine)) return;
    fail(std::format("watch: a watcher begins anew with a state of entry {} that never was",
                     machine.applied));
}

} // namespace hawser::raft::sim
