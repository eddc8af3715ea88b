#include "server/sessions.h"

#include <algorithm>
#include <utility>

#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "server/access.h"

namespace hawser::server {

Sessions::Sessions(io::Executor executor, RaftNode& raft, std::string server,
                   Duration session_timeout)
    : executor_(executor),
      raft_(raft),
      server_(std::move(server)),
      session_timeout_(session_timeout),
      leases_(session_timeout),
      changed_(executor),
      tasks_(executor) {}

Sessions::Registration::Registration(Sessions& sessions, AgentStream& stream)
    : sessions_(sessions), stream_(stream) {
    Presence& presence = sessions_.presences_[stream.node];
    if (presence.stream != nullptr)
        sessions_.end(*presence.stream, "a newer session took its place");
    presence = {.last_heard = Clock::now(), .stream = &stream};
    sessions_.changed_.notify_all();
}

// The agent is not dead yet: it may have lost the connection only.
Sessions::Registration::~Registration() {
    const auto found = sessions_.presences_.find(stream_.node);
    if (found != sessions_.presences_.end() && found->second.stream == &stream_) {
        found->second.stream = nullptr;
    }
    sessions_.changed_.notify_all();
}

void Sessions::heard(const AgentStream& stream) {
    const auto found = presences_.find(stream.node);
    if (found != presences_.end() && found->second.stream == &stream) {
        found->second.last_heard = Clock::now();
    }
}

// An agent cannot enforce what does not exist yet; such a claim is cut to what does.
void Sessions::enforced(AgentStream& stream, std::uint64_t index) {
    stream.enforced_index = std::min(index, raft_.registry().index());
    changed_.notify_all();
}

bool Sessions::is_ahead(const std::string& node, std::uint64_t index) {
    if (index <= ahead_.index) return false;
    ahead_ = {.index = index, .node = node};
    return true;
}

void Sessions::leaves(AgentStream& stream) {
    const auto found = presences_.find(stream.node);
    if (found == presences_.end() || found->second.stream != &stream) return;
    found->second.left = true;
    set_alive(stream.node, false, Word::agents);
    changed_.notify_all();
}

std::vector<const AgentStream*> Sessions::connected() const {
    std::vector<const AgentStream*> streams;
    for (const auto& [node, presence] : presences_) {
        if (presence.stream != nullptr) streams.push_back(presence.stream);
    }
    return streams;
}

// One that waits for our disk says nothing meanwhile: that silence is not its own.
std::vector<LeaseTable::Sighting> Sessions::sightings() const {
    std::vector<LeaseTable::Sighting> all;
    const Clock::time_point now = Clock::now();
    for (const auto& [node, presence] : presences_) {
        const AgentStream* stream = presence.stream;
        const bool waits = stream != nullptr && stream->registering;
        all.push_back({.node = node,
                       .at = waits ? now : presence.last_heard,
                       .enforced_index = stream == nullptr ? 0 : stream->enforced_index,
                       .registered = stream != nullptr && stream->registered,
                       .left = presence.left});
    }
    return all;
}

void Sessions::take(std::vector<LeaseTable::Sighting> sightings) {
    for (LeaseTable::Sighting& sighting : sightings) {
        const auto here = presences_.find(sighting.node);
        const bool connected = here != presences_.end() && here->second.stream != nullptr;
        leases_.reported(std::move(sighting), connected);
    }
    changed_.notify_all();
}

// Not again once it stops.
void Sessions::serve() {
    if (tasks_.cancelled()) return;
    if (!refusing_.empty()) log::info("agents are served", {});
    refusing_.clear();
}

void Sessions::refuse(const std::string& why) {
    if (refusing_.empty()) log::warn("agents are sent to other servers", {{"reason", why}});
    refusing_ = why;
    end_streams(why);
}

Result<void> Sessions::serving() const {
    if (refusing_.empty()) return {};
    return fail(ErrorCode::unavailable, refusing_);
}

io::Task<void> Sessions::changed(Clock::time_point deadline) {
    (void)co_await changed_.wait_until(deadline);
}

bool Sessions::has_left(const std::string& node) const {
    const auto found = presences_.find(node);
    return found != presences_.end() && found->second.left;
}

std::vector<const model::Node*> Sessions::nodes() const {
    std::vector<const model::Node*> all;
    for (const auto& [name, row] : raft_.registry().tables().rows(model::Kind::node))
        all.push_back(std::get_if<model::Node>(row.value.get()));
    return all;
}

Sessions::Enforcement Sessions::enforcement(std::uint64_t index) {
    for (LeaseTable::Sighting& sighting : sightings()) leases_.sighted(std::move(sighting));
    Enforcement enforcement;
    for (const model::Node* node : nodes()) {
        if (!node->alive || leases_.has_left(node->name)) {
            // One that never registered is not missed.
            if (node->tunnel.port != 0) enforcement.away.push_back(node->name);
            continue;
        }
        ++enforcement.agents;
        if (leases_.enforced_by(node->name).value_or(0) < index)
            enforcement.behind.push_back(node->name);
    }
    return enforcement;
}

io::Task<Sessions::Enforcement> Sessions::wait_enforced(std::uint64_t index,
                                                        Clock::time_point deadline) {
    while (true) {
        Enforcement now = enforcement(index);
        if (now.behind.empty() || !co_await changed_.wait_until(deadline)) co_return now;
    }
}

void Sessions::end(AgentStream& stream, const std::string& why) {
    log::info("ended an agent's session",
              {{"node", stream.node}, {"peer", stream.remote}, {"reason", why}});
    stream.ended_because = why;
    stream.messages->abort();
}

void Sessions::end_streams(const std::string& why) {
    for (auto& [node, presence] : presences_) {
        if (presence.stream != nullptr && presence.stream->ended_because.empty())
            end(*presence.stream, why);
    }
}

void Sessions::end_all(const std::string& why) {
    tasks_.cancel();
    refusing_ = why;
    end_streams(why);
}

// Often enough that the timeout is kept to within an eighth.
io::Task<void> Sessions::supervise() {
    const auto interval = std::clamp(session_timeout_ / 8, Duration(10), Duration(500));
    auto reviewed = Clock::now();
    while (co_await io::sleep(interval)) {
        const auto now = Clock::now();
        if (now - reviewed > 2 * interval) forgive(now - reviewed - interval);
        reviewed = now;
        review_streams(io::wall_now());
        review_leases(now);
    }
}

// This process stood still (a paused machine, a stopped process): that silence was our own.
void Sessions::forgive(Clock::duration pause) {
    leases_.forgive(std::chrono::duration_cast<Duration>(pause));
    for (auto& [node, presence] : presences_) presence.last_heard += pause;
}

void Sessions::review_leases(Clock::time_point now) {
    const bool leads = raft_.leads();
    if (leads && !led_) leases_.begin(now);
    led_ = leads;
    if (!leads) return;
    for (LeaseTable::Sighting& sighting : sightings()) leases_.sighted(std::move(sighting));
    for (const LeaseTable::Verdict& verdict : leases_.judge(nodes(), now))
        set_alive(verdict.node, verdict.alive, Word::leaders);
}

// A session needs a node that still exists and a certificate that is still valid.
void Sessions::review_streams(WallTime wall) {
    std::erase_if(presences_, [this](const auto& entry) {
        return entry.second.stream == nullptr &&
               raft_.registry().tables().get<model::Node>(entry.first) == nullptr;
    });
    std::vector<std::pair<AgentStream*, std::string>> ending;
    for (const auto& [node, presence] : presences_) {
        if (presence.stream == nullptr || !presence.stream->ended_because.empty()) continue;
        const auto* row = raft_.registry().tables().get<model::Node>(node);
        if (row == nullptr || presence.stream->certificate_generation != generation_of(*row)) {
            ending.emplace_back(presence.stream, "its node was deleted");
        } else if (presence.stream->certificate_not_after <= wall) {
            ending.emplace_back(presence.stream, "its certificate expired");
        }
    }
    for (const auto& [stream, why] : ending) end(*stream, why);
}

void Sessions::set_alive(const std::string& node, bool alive, Word word) {
    if (!proposing_.insert(node).second) return;
    if (!tasks_.spawn(propose_alive(node, alive, word))) proposing_.erase(node);
}

// What a leader heard, or did not, is nothing that a later leader may be told: the node may have
// spoken meanwhile. The next review says it again if it still holds.
io::Task<void> Sessions::propose_alive(std::string node, bool alive, Word word) {
    model::CommandEnvelope envelope{.command = model::SetNodeAlive{.node = node, .alive = alive},
                                    .actor = "server:" + server_,
                                    .proposed_at = io::wall_now()};
    Result<registry::Outcome> outcome;
    if (word == Word::leaders) {
        outcome = co_await raft_.propose_as_leader(std::move(envelope));
    } else {
        outcome = co_await raft_.propose(std::move(envelope));
    }
    proposing_.erase(node);
    if (!outcome) {
        log::warn("could not record whether a node is alive",
                  {{"node", node}, {"alive", alive}, {"error", outcome.error()}});
    } else if (!outcome->changes.empty()) {
        log::info(alive            ? "a node is back"
                  : has_left(node) ? "an agent has stopped: its node's instances are out"
                                   : "a node is silent: its instances are out",
                  {{"node", node}, {"index", outcome->index}});
        changed_.notify_all();
    }
}

} // namespace hawser::server
