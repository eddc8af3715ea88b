// A follower tells the leader whom it hears, and learns from the answers whether it is up to date.
// One that gets none, or falls behind, sends its agents to the others.
#include <algorithm>
#include <format>

#include "model/proto/cluster.pb.h"
#include "server/upkeep.h"

namespace hawser::server {

namespace {

using namespace std::chrono_literals;

constexpr auto report_interval = 1s;
constexpr auto retry_interval = 200ms; // while nobody answers
constexpr auto report_pause = 100ms;   // at least, however much happens
constexpr auto report_timeout = 1s;
constexpr auto current_interval = 500ms;
// An election takes less than that; a leader that is gone, or a cut, more.
constexpr auto longest_without_leader = 3s;
constexpr auto longest_behind = 5s;

} // namespace

io::Task<void> Upkeep::report_leases() {
    do {
        const Clock::time_point now = Clock::now();
        const raft::ServerId leader = parts_.raft.status().leader;
        if (!parts_.raft.leads() && leader != raft::no_server) co_await report_to(leader, now);
        review_serving(Clock::now());
        const bool answered = heard_leader_at_ && *heard_leader_at_ >= now;
        co_await parts_.sessions.changed(now + (answered ? report_interval : retry_interval));
    } while (co_await io::sleep(report_pause));
}

// So that a stale answer can say that it is not old, also when nobody reads otherwise.
io::Task<void> Upkeep::keep_current() {
    do {
        (void)co_await parts_.raft.read_barrier(report_timeout);
    } while (co_await io::sleep(current_interval));
}

std::string Upkeep::lease_report(Clock::time_point now) const {
    v1::LeaseReport report;
    report.set_from(parts_.raft.id());
    parts_.authority.add_to(report);
    for (const LeaseTable::Sighting& sighting : parts_.sessions.sightings()) {
        const auto silent =
            std::chrono::duration_cast<std::chrono::milliseconds>(now - sighting.at);
        v1::Lease& lease = *report.add_leases();
        lease.set_node(sighting.node);
        lease.set_silent_ms(static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(silent.count(), 0, std::chrono::milliseconds(24h).count())));
        lease.set_registered(sighting.registered);
        lease.set_enforced_index(sighting.enforced_index);
        lease.set_left(sighting.left);
    }
    return report.SerializeAsString();
}

io::Task<void> Upkeep::report_to(raft::ServerId leader, Clock::time_point now) {
    const PeerTransport::Answer answer = co_await parts_.cluster.call(
        leader, "/hawser.v1.Peer/Leases", lease_report(now), report_timeout);
    v1::LeaseReceipt receipt;
    if (!answer.bytes || !receipt.ParseFromString(*answer.bytes)) co_return;
    heard_leader_at_ = now;
    compare(receipt.index(), now);
}

void Upkeep::compare(std::uint64_t leaders_index, Clock::time_point now) {
    const std::uint64_t index = parts_.raft.registry().index();
    if (leaders_index <= index) {
        behind_since_.reset();
    } else if (!behind_since_ || index >= wanted_) { // later than the leader, but it goes on
        behind_since_ = now;
        wanted_ = leaders_index;
    }
}

void Upkeep::review_serving(Clock::time_point now) {
    if (parts_.raft.leads()) {
        heard_leader_at_ = now;
        behind_since_.reset();
    }
    if (!heard_leader_at_ || now - *heard_leader_at_ > longest_without_leader) {
        parts_.sessions.refuse("this server hears no leader");
    } else if (behind_since_ && now - *behind_since_ > longest_behind) {
        parts_.sessions.refuse(std::format("this server is behind the leader, at index {} of {}",
                                           parts_.raft.registry().index(), wanted_));
    } else {
        parts_.sessions.serve();
    }
}

} // namespace hawser::server
