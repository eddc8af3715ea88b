// History: of every change who made it, when, from where, and what stood there before. Its entries
// are rows like others, so they are stored, sent and restored like others, and all servers remember
// and forget the same.
#pragma once

#include <cstdint>

#include "model/command.h"
#include "registry/tables.h"

namespace hawser::registry {

struct Outcome;

// The newest index of which an entry was dropped for want of room, by who had written it.
struct Forgotten {
    std::uint64_t operators = 0;
    std::uint64_t reports = 0; // of agents
    bool operator==(const Forgotten&) const = default;
};

// Adds to the outcome the rows that remember it, and the removal of those that must make room:
// a resource's oldest, then the oldest of all.
void remember(Outcome& outcome, const model::CommandEnvelope& envelope, const Tables& before,
              Forgotten& forgotten);

} // namespace hawser::registry
