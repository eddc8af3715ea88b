#include "raft/progress.h"

#include <algorithm>

namespace hawser::raft {

void Progress::acknowledge(Index index) {
    match = std::max(match, index);
    next = std::max(next, match + 1);
    while (!in_flight.empty() && in_flight.front() <= match) in_flight.pop_front();
}

void Progress::enter_probe(Index from) {
    state = State::probe;
    next = from;
    in_flight.clear();
    sending.reset();
}

void Progress::enter_replicate(Index from) {
    enter_probe(from);
    state = State::replicate;
}

void Progress::enter_snapshot(std::uint64_t transfer) {
    enter_probe(next);
    state = State::snapshot;
    sending = {.transfer = transfer};
}

} // namespace hawser::raft
