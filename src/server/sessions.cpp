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

const AgentStream* Sessions::stream_of(const std::string& node) const {
    const auto found = presences_.find(node);
    return found == presences_.end() ? nullptr : found->second.stream;
}

Sessions::Enforcement Sessions::enforcement(std::uint64_t index) const {
    Enforcement enforcement;
    for (const auto& [name, row] : raft_.registry().tables().rows(model::Kind::node)) {
        const auto* node = std::get_if<model::Node>(row.value.get());
        if (!present(name, *node)) {
            // One that never registered is not missed.
            if (node->tunnel.port != 0) enforcement.away.push_back(name);
            continue;
        }
        ++enforcement.agents;
        const AgentStream* stream = stream_of(name);
        if (stream == nullptr || stream->enforced_index < index) enforcement.behind.push_back(name);
    }
    return enforcement;
}

bool Sessions::present(const std::string& node, const model::Node& row) const {
    const auto found = presences_.find(node);
    return row.alive && (found == presences_.end() || !found->second.left);
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

void Sessions::end_all(const std::string& why) {
    tasks_.cancel();
    for (auto& [node, presence] : presences_) {
        if (presence.stream != nullptr) end(*presence.stream, why);
    }
}

// Often enough that the timeout is kept to within an eighth.
io::Task<void> Sessions::supervise() {
    const auto interval = std::clamp(session_timeout_ / 8, Duration(10), Duration(500));
    // The agents' time to come back begins when they can: opening may have taken long.
    started_ = Clock::now();
    auto reviewed = started_;
    while (co_await io::sleep(interval)) {
        const auto now = Clock::now();
        if (now - reviewed > 2 * interval) forgive(now - reviewed - interval);
        reviewed = now;
        review(now, io::wall_now());
    }
}

// This process stood still (a paused machine, a stopped process): that silence was our own.
void Sessions::forgive(Clock::duration pause) {
    started_ += pause;
    for (auto& [node, presence] : presences_) presence.last_heard += pause;
}

void Sessions::review(Clock::time_point now, WallTime wall) {
    review_streams(wall);
    // The leader decides; whoever comes to lead gives every agent its time first.
    if (!raft_.leads()) {
        started_ = now;
        return;
    }
    for (const auto& [name, row] : raft_.registry().tables().rows(model::Kind::node)) {
        const bool alive = std::get_if<model::Node>(row.value.get())->alive;
        if (alive && silent(name, now)) {
            set_alive(name, false, Word::leaders);
        } else if (!alive && !silent(name, now)) {
            const AgentStream* stream = stream_of(name);
            if (stream != nullptr && stream->registered) set_alive(name, true, Word::leaders);
        }
    }
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

bool Sessions::silent(const std::string& node, Clock::time_point now) const {
    const auto found = presences_.find(node);
    if (found != presences_.end() && found->second.left) return true;
    if (const AgentStream* stream = stream_of(node); stream != nullptr && stream->registering) {
        return false;
    }
    const Clock::time_point last = found == presences_.end() ? started_ : found->second.last_heard;
    return now - last > session_timeout_;
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
        const auto presence = presences_.find(node);
        const bool left = presence != presences_.end() && presence->second.left;
        log::info(alive  ? "a node is back"
                  : left ? "an agent has stopped: its node's instances are out"
                         : "a node is silent: its instances are out",
                  {{"node", node}, {"index", outcome->index}});
        changed_.notify_all();
    }
}

} // namespace hawser::server
