#include "server/cluster.h"

#include <algorithm>
#include <utility>

namespace hawser::server {

Cluster::Cluster(Parts parts)
    : parts_(std::move(parts)),
      directory_(parts_.self, [this] { return registered(); }),
      peers_({.executor = parts_.executor,
              .directory = directory_,
              .trust_domain = parts_.trust_domain,
              .version = parts_.version,
              .credentials = parts_.credentials}),
      api_({.directory = directory_,
            .refusals = parts_.refusals,
            .trust_domain = parts_.trust_domain,
            .version = parts_.version,
            .receive = [this](raft::Message message) { parts_.raft.receive(std::move(message)); },
            .accept =
                [this](std::vector<raft::Payload> commands) {
                    return parts_.raft.accept(std::move(commands));
                },
            .learned = [this] { peers_.refresh(); },
            .unknown = [this] { peers_.ask_who_is_member(); }}) {}

Membership Cluster::registered() const {
    const registry::Registry& registry = parts_.raft.registry();
    Membership membership{.index = registry.index(), .members = {}};
    for (const model::Server* server : registry.tables().servers()) {
        membership.members.push_back(
            {.id = server->id, .name = server->name, .addresses = server->addresses});
    }
    return membership;
}

bool Cluster::removed() const {
    const std::vector<Member> known = directory_.membership().members;
    if (!known.empty() && !std::ranges::contains(known, self().id, &Member::id)) return true;
    if (parts_.raft.leads()) return false;
    const std::vector<Peers::Status> links = peers_.status();
    const auto connected = [](const Peers::Status& peer) { return peer.link.connected; };
    const auto refused = [](const Peers::Status& peer) { return peer.link.refused; };
    return std::ranges::none_of(links, connected) && std::ranges::any_of(links, refused);
}

void Cluster::start() {
    parts_.raft.set_transport(peers_);
    peers_.refresh();
    parts_.raft.launch();
}

void Cluster::members_changed() {
    peers_.refresh();
    api_.refresh();
}

} // namespace hawser::server
