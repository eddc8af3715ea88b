// One server of three, step by step; the test plays the two others, and decides when a write is on
// the disk.
#pragma once

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "raft/bootstrap.h"
#include "raft/core.h"

namespace hawser::raft::test {

inline constexpr ServerId here = 0x1001;
inline constexpr ServerId second = 0x1002;
inline constexpr ServerId third = 0x1003;

inline Entry command(Index index, Term term) {
    return {.index = index,
            .term = term,
            .kind = EntryKind::command,
            .data = make_payload(std::to_string(index))};
}

class OneOfThree {
  public:
    // Bootstrapped: the log has entry 1, of term 1.
    explicit OneOfThree(Options options = {}) {
        const Persist first = bootstrap({here, second, third});
        Result<Core> restored = Core::restore(
            {.id = here, .hard_state = first.hard_state, .entries = first.entries}, options);
        REQUIRE(restored.has_value());
        core.emplace(std::move(*restored));
    }

    Actions step(decltype(Event::what) what) {
        Actions actions = core->step({.now = now, .what = std::move(what)});
        if (actions.persist) written_ = actions.persist->sequence;
        return actions;
    }
    Actions receive(ServerId from, Term term, MessageBody body) {
        return step(
            Received{.message = {.from = from, .to = here, .term = term, .body = std::move(body)}});
    }
    // All writes so far are on the disk.
    Actions write() { return step(Persisted{.sequence = written_}); }

    // Of term 2, by the second server's vote. Its no-op, entry 2, is not on the disk yet.
    void lead() {
        step(Tick{}); // sets the election timer
        now += Options{}.election_max * 2;
        step(Tick{});
        receive(second, 1, PreVoteReply{.granted = true});
        write();
        receive(second, 2, VoteReply{.granted = true});
        REQUIRE(core->role() == Role::leader);
    }

    std::optional<Core> core;
    Instant now{};

  private:
    std::uint64_t written_ = 0;
};

// What of `Body` the server said to `to`.
template <typename Body>
std::vector<Body> said(const Actions& actions, ServerId to) {
    std::vector<Body> bodies;
    for (const Message& message : actions.messages) {
        if (const auto* body = std::get_if<Body>(&message.body); body && message.to == to)
            bodies.push_back(*body);
    }
    return bodies;
}

} // namespace hawser::raft::test
