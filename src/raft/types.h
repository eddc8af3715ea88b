// The vocabulary of consensus: positions in the log, entries, and what must survive a crash.
// Section numbers, here and in the whole room, are of Ongaro's dissertation, "Consensus: Bridging
// Theory and Practice".
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "raft/configuration.h"

namespace hawser::raft {

using Term = std::uint64_t;
using Index = std::uint64_t; // of the first entry: 1

// No honest server gets near these. What claims to be beyond is refused, so that a number from the
// network can neither overflow nor use up the terms.
inline constexpr Term max_term = Term{1} << 62;
inline constexpr Index max_index = Index{1} << 62;

// A monotonic clock's reading. Only differences mean anything, and only on one server.
using Instant = std::chrono::milliseconds;

// A place in the log, with the term that tells apart entries which competed for it.
struct Position {
    Index index = 0;
    Term term = 0;
    auto operator<=>(const Position&) const = default;
};

// Stored in every entry: never renumber.
enum class EntryKind : std::uint8_t {
    noop = 1,          // begins a leader's term (§6.4)
    command = 2,       // the state machine's business
    configuration = 3, // who votes from here on (§4)
};

// The log, the disk and the state machine share an entry's bytes.
using Payload = std::shared_ptr<const std::string>;

struct Entry {
    Index index = 0;
    Term term = 0;
    EntryKind kind = EntryKind::noop;
    Payload data{}; // never null; empty for a no-op

    [[nodiscard]] Position position() const { return {.index = index, .term = term}; }
};

[[nodiscard]] Payload make_payload(std::string bytes);

// What a server must never forget (figure 3.1): a second vote in one term would elect two leaders.
struct HardState {
    Term term = 0;
    ServerId vote = no_server;
    bool operator==(const HardState&) const = default;
};

// Where the held part of the log begins: everything up to here is in the state machine's own
// storage. The configuration is the one in force at that place. Also what a snapshot of the state
// machine says of itself.
struct Base {
    Position position{};
    Configuration configuration{};
    bool operator==(const Base&) const = default;
};

enum class Role : std::uint8_t {
    follower,      // learners too; see Configuration
    pre_candidate, // asks whether an election could be won, disturbing nobody (§9.6)
    candidate,
    leader,
};
[[nodiscard]] std::string_view to_string(Role role);

} // namespace hawser::raft
