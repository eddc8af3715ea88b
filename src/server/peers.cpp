#include "server/peers.h"

#include <algorithm>
#include <utility>

#include "io/socket.h"
#include "log/log.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds members_timeout{2'000};
// Whoever is refused comes back; the others are not asked each time.
constexpr std::chrono::milliseconds pause_between_questions{1'000};

} // namespace

Peers::Peers(PeerLinkParts parts) : parts_(std::move(parts)), tasks_(parts_.executor) {}
Peers::~Peers() = default;

void Peers::send(raft::Message message) {
    const auto link = links_.find(message.to);
    if (link != links_.end()) link->second->send(std::move(message));
}

io::Task<PeerTransport::Answer> Peers::call(raft::ServerId to, std::string path,
                                            std::string request,
                                            std::chrono::milliseconds timeout) {
    const auto link = links_.find(to);
    const std::shared_ptr<rpc::Client> client =
        link == links_.end() ? nullptr : link->second->client();
    if (client == nullptr) {
        co_return Answer{.bytes = fail(ErrorCode::unavailable, "no connection to that server")};
    }
    co_return Answer{.asked = true,
                     .bytes = co_await client->call(std::move(path), std::move(request), timeout)};
}

void Peers::refresh() {
    const std::vector<Member> others = parts_.directory.others();
    std::erase_if(links_, [&](const auto& entry) {
        const auto& [id, link] = entry;
        const bool listed = std::ranges::any_of(others, [&](const Member& member) {
            return member.id == id && member.name == link->peer().name;
        });
        if (!listed) link->leave();
        return !listed;
    });
    for (const Member& member : others) {
        std::shared_ptr<PeerLink>& link = links_[member.id];
        if (link) {
            if (!link->status().connected) link->hurry();
            continue;
        }
        link = std::make_shared<PeerLink>(parts_, member);
        tasks_.spawn(run(link));
    }
}

io::Task<void> Peers::run(std::shared_ptr<PeerLink> link) {
    co_await link->run();
}

void Peers::ask_who_is_member() {
    if (asking_) return;
    asking_ = tasks_.spawn(ask_members());
}

// Anyone who is listed may say who else is; the newest word counts.
io::Task<void> Peers::ask_members() {
    for (const Member& member : parts_.directory.others()) {
        const Answer answer =
            co_await call(member.id, std::string(members_path),
                          encode_members_request(parts_.directory.self().id), members_timeout);
        if (!answer.bytes) continue;
        Result<Membership> membership = decode_membership(*answer.bytes);
        if (membership) {
            parts_.directory.introduce(std::move(*membership));
        } else {
            log::warn("a server's list of members is not usable",
                      {{"server", member.name}, {"error", membership.error()}});
        }
    }
    refresh();
    (void)co_await io::sleep(pause_between_questions);
    asking_ = false;
}

std::vector<Peers::Status> Peers::status() const {
    std::vector<Status> all;
    for (const auto& [id, link] : links_)
        all.push_back({.peer = link->peer(), .link = link->status()});
    return all;
}

void Peers::cancel() {
    tasks_.cancel();
}

} // namespace hawser::server
