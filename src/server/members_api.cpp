// The cluster's members, as operators see and change them. What the leader alone knows or can do,
// any other server asks it for.
#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "io/clock.h"
#include "log/log.h"
#include "server/api.h"

namespace hawser::server {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto glance_timeout = 1s;   // of what a status can do without
constexpr auto ask_timeout = 330s;    // longer than any wait that a call may ask for
constexpr auto change_timeout = 20s;  // elections and entries of the log
constexpr auto look_interval = 100ms; // at what others do meanwhile
constexpr auto sign_of_life = 1s;     // ten heartbeats

raft::Instant now_for_raft() {
    return std::chrono::duration_cast<raft::Instant>(Clock::now().time_since_epoch());
}

std::string_view role_of(const model::Server& server, const RaftStatus& raft) {
    if (raft.configuration.learns(server.id)) return "learner";
    if (!raft.configuration.votes(server.id)) return "joining";
    return server.id == raft.id ? to_string(raft.role) : "follower";
}

void describe(const model::Server& server, v1::MemberState& member) {
    member.set_id(server.id);
    member.set_name(server.name);
    for (const Endpoint& address : server.addresses) member.add_addresses(address.to_string());
    member.set_version(server.version);
    member.set_level(server.level);
    member.set_joined_at_ms(server.joined_at);
    member.set_leaving(server.leaving);
}

void describe(const raft::PeerStatus& peer, v1::MemberState& member) {
    member.set_match_index(peer.match);
    if (peer.lost_entry != 0)
        member.set_trouble(
            std::format("it had confirmed entry {} and lost it: its data was put back to an older "
                        "state; remove "
                        "it and let it join anew",
                        peer.lost_entry));
    if (!peer.last_contact) return;
    member.set_last_contact_ms(io::wall_now() - (now_for_raft() - *peer.last_contact).count());
}

// Who would have to agree without the server, and how many of them were heard since then.
struct Majority {
    std::size_t voters = 0;
    std::size_t running = 0;
};
Majority majority_without(raft::ServerId server, const RaftStatus& raft, raft::Instant since) {
    Majority majority{.running = raft.id == server ? 0U : 1U};
    for (const raft::ServerId voter : raft.configuration.voters) majority.voters += voter != server;
    for (const raft::PeerStatus& peer : raft.peers) {
        if (!peer.voter || peer.id == server || !peer.last_contact) continue;
        majority.running += *peer.last_contact > since;
    }
    return majority;
}

} // namespace

io::Task<Result<std::string>> Api::answer_for(std::string method, std::string request,
                                              Actor actor) {
    const auto found = led_.find(method);
    if (found == led_.end()) {
        co_return fail(ErrorCode::unimplemented,
                       std::format("the leader does not know {}", printable(method, 64)));
    }
    co_return co_await found->second(std::move(request), std::move(actor));
}

Api::Answer<std::string> Api::led(ApiMethod method, const rpc::Caller& caller,
                                  std::string request) {
    std::string path(method.path);
    Result<Actor> actor = admit(method, caller);
    if (!actor) co_return fail(std::move(actor.error()));
    if (parts_.raft.leads())
        co_return co_await answer_for(path, std::move(request), std::move(*actor));
    if (Result<void> member = parts_.upkeep.check_member(); !member)
        co_return fail(std::move(member.error()));
    co_return co_await parts_.upkeep.ask_leader(std::move(path), std::move(request),
                                                std::move(*actor), ask_timeout);
}

// --- looking ----------------------------------------------------------------------------------

Api::Answer<v1::MembersResponse> Api::members(Actor, v1::MembersRequest) {
    const RaftStatus raft = parts_.raft.status();
    v1::MembersResponse response;
    for (const model::Server* server : tables().servers()) {
        v1::MemberState& member = *response.add_members();
        describe(*server, member);
        if (parts_.raft.leads() || server->id == raft.id)
            member.set_role(std::string(role_of(*server, raft)));
        if (server->id == raft.id) {
            member.set_match_index(raft.last_index);
            member.set_last_contact_ms(io::wall_now());
        }
        for (const raft::PeerStatus& peer : raft.peers) {
            if (peer.id == server->id) describe(peer, member);
        }
        for (const Peers::Status& link : parts_.cluster.links()) {
            if (link.peer.id == server->id && !link.link.connected)
                member.set_trouble(link.link.error);
        }
    }
    // A server that is alone need not have written down that it is there.
    if (response.members().empty()) {
        v1::MemberState& self = *response.add_members();
        self.set_id(raft.id);
        self.set_name(parts_.config.node);
        self.set_role(std::string(to_string(raft.role)));
        self.set_match_index(raft.last_index);
        self.set_version(parts_.version);
    }
    co_return response;
}

// As the leader sees them, if it can be asked. One that was removed knows of nobody.
io::Task<void> Api::add_members(v1::ServerStatusResponse& status) {
    if (!parts_.upkeep.check_member()) co_return;
    const Actor self{.name = "server:" + parts_.config.node};
    Result<v1::MembersResponse> members = v1::MembersResponse();
    if (!parts_.raft.leads() && parts_.raft.status().leader != raft::no_server) {
        const Result<std::string> bytes = co_await parts_.upkeep.ask_leader(
            "/hawser.v1.Api/Members", v1::MembersRequest().SerializeAsString(), self,
            glance_timeout);
        if (bytes) (void)members->ParseFromString(*bytes);
    }
    if (members->members().empty()) members = co_await this->members(self, {});
    *status.mutable_members() = members->members();
}

void Api::add_member_warnings(v1::ServerStatusResponse& status) const {
    const RaftStatus raft = parts_.raft.status();
    if (const Result<void> member = parts_.upkeep.check_member(); !member) {
        status.add_warnings(member.error().message);
        return;
    }
    if (raft.leader == raft::no_server)
        status.add_warnings("no leader is known: is a majority of the servers running?");
    if (const Result<void> serving = parts_.sessions.serving(); !serving)
        status.add_warnings("agents are not served: " + serving.error().message);
    const std::size_t voters = raft.configuration.voters.size();
    if (voters < parts_.config.bootstrap_expect) {
        status.add_warnings(std::format("the cluster has {} of the {} voting servers it expects",
                                        voters, parts_.config.bootstrap_expect));
    }
    for (const v1::MemberState& member : status.members()) {
        const bool silent = member.name() != parts_.config.node && member.last_contact_ms() != 0 &&
                            io::wall_now() - member.last_contact_ms() > Duration(5s).count();
        if (silent || !member.trouble().empty())
            status.add_warnings(std::format("server {} is not heard{}{}", member.name(),
                                            member.trouble().empty() ? "" : ": ",
                                            member.trouble()));
    }
    if (!parts_.snapshots.trouble().empty())
        status.add_warnings("no snapshot could be saved: " + parts_.snapshots.trouble());
}

// --- changing ---------------------------------------------------------------------------------

Api::Answer<v1::TransferLeadershipResponse> Api::transfer_leadership(
    Actor actor, v1::TransferLeadershipRequest request) {
    raft::ServerId to = raft::no_server;
    if (!request.to().empty()) {
        const Result<const model::Server*> server = find_server(request.to());
        if (!server) co_return fail(server.error());
        to = (*server)->id;
    }
    v1::TransferLeadershipResponse response;
    if (to == parts_.raft.id()) {
        response.set_leader(parts_.config.node);
        co_return response;
    }
    Result<void> moved = co_await parts_.raft.transfer_leadership(to, change_timeout);
    if (!moved) co_return fail(std::move(moved.error()));
    const Clock::time_point deadline = Clock::now() + change_timeout;
    while (parts_.raft.status().leader == raft::no_server && Clock::now() < deadline)
        co_await parts_.raft.changed().wait_until(Clock::now() + look_interval);
    const model::Server* leader = tables().server(parts_.raft.status().leader);
    if (leader != nullptr) response.set_leader(leader->name);
    log::info("leadership was handed over", {{"to", response.leader()}, {"by", actor.name}});
    co_return response;
}

Result<const model::Server*> Api::find_server(const std::string& name) const {
    std::string names;
    for (const model::Server* each : tables().servers()) {
        if (each->name == name || std::format("{:016x}", each->id) == name) return each;
        names += (names.empty() ? "" : ", ") + each->name;
    }
    return fail(ErrorCode::not_found,
                std::format("there is no server {}; there are: {}", quote(name), names));
}

// Only while those who stay can go on, of which they give a sign now: the change itself needs a
// majority of them.
io::Task<Result<void>> Api::check_removable(model::Server server) {
    const raft::Instant asked = now_for_raft();
    const Clock::time_point deadline = Clock::now() + sign_of_life;
    while (true) {
        const RaftStatus raft = parts_.raft.status();
        const Majority left = majority_without(server.id, raft, asked);
        if (left.voters == 0) {
            co_return fail(ErrorCode::failed_precondition,
                           std::format("server '{}' is the only one that votes", server.name));
        }
        if (!raft.configuration.votes(server.id) || left.running > left.voters / 2)
            co_return Result<void>();
        if (Clock::now() >= deadline) {
            co_return fail(
                ErrorCode::failed_precondition,
                std::format("without server '{}', {} of {} servers are running: no majority. Start "
                            "the others, or remove those that are gone first",
                            server.name, left.running, left.voters));
        }
        co_await parts_.raft.changed().wait_until(Clock::now() + look_interval);
    }
}

// Its row says so, and whoever leads does the rest (autopilot.h).
Api::Answer<v1::RemoveServerResponse> Api::remove_server(Actor actor,
                                                         v1::RemoveServerRequest request) {
    const Result<const model::Server*> server = find_server(request.name());
    if (!server) co_return fail(server.error());
    model::Server leaving = **server;
    const raft::ServerId id = leaving.id;
    if (Result<void> removable = co_await check_removable(leaving); !removable)
        co_return fail(std::move(removable.error()));
    leaving.leaving = true;
    Result<registry::Outcome> marked =
        co_await propose(model::PutServer{.server = std::move(leaving)}, std::move(actor));
    if (!marked) co_return fail(std::move(marked.error()));
    const Clock::time_point deadline = Clock::now() + change_timeout;
    while (parts_.raft.leads() && tables().server(id) != nullptr && Clock::now() < deadline)
        co_await parts_.raft.changed().wait_until(Clock::now() + look_interval);
    v1::RemoveServerResponse response;
    response.set_gone(tables().server(id) == nullptr);
    co_return response;
}

} // namespace hawser::server
