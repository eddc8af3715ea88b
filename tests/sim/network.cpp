#include "network.h"

#include <algorithm>

#include "story.h"

namespace hawser::raft::sim {

void Network::send(const Message& message) {
    if (cut_.contains({message.from, message.to})) return;
    if (world_.troubled && world_.happens(world_.profile.loss)) return;
    carry(message);
    if (world_.troubled && world_.happens(world_.profile.duplicate)) carry(message);
}

void Network::carry(const Message& message) {
    const Time most = world_.troubled ? world_.profile.delay_most : 5;
    Time arrival = world_.scheduler.now() + world_.between(0, most);
    // Now and then one is very late.
    if (world_.troubled && world_.happens(5)) arrival += world_.between(0, 20 * most);
    if (world_.profile.in_order) {
        Time& latest = arrivals_[{message.from, message.to}];
        arrival = latest = std::max(arrival, latest);
    }
    world_.scheduler.at(arrival, [this, message] {
        if (world_.telling) world_.tell(describe(message));
        receiver_(message);
    });
}

} // namespace hawser::raft::sim
