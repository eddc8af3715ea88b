#include "server/peer_directory.h"

#include <algorithm>
#include <format>
#include <utility>

namespace hawser::server {

namespace {

void add_new(std::vector<Endpoint>& addresses, const std::vector<Endpoint>& more) {
    for (const Endpoint& address : more) {
        if (!std::ranges::contains(addresses, address)) addresses.push_back(address);
    }
}

} // namespace

PeerDirectory::PeerDirectory(Member self, std::function<Membership()> registry)
    : self_(std::move(self)), registry_(std::move(registry)) {}

void PeerDirectory::introduce(Membership membership) {
    if (membership.index > introduced_.index) introduced_ = std::move(membership);
}

// What is no member's is forgotten with the next that is learned: the table stays small.
void PeerDirectory::learn(raft::ServerId server, std::vector<Endpoint> addresses) {
    const std::vector<Member> members = listed();
    std::erase_if(learned_, [&](const auto& entry) {
        return !std::ranges::contains(members, entry.first, &Member::id);
    });
    learned_[server] = std::move(addresses);
}

// The registry's word first: of two with one id, its row is the one that stays.
std::vector<Member> PeerDirectory::listed() const {
    Membership registry = registry_();
    std::vector<Member> members = std::move(registry.members);
    if (introduced_.index <= registry.index) return members;
    for (const Member& member : introduced_.members) {
        const auto known = std::ranges::find(members, member.id, &Member::id);
        if (known == members.end()) {
            members.push_back(member);
        } else {
            add_new(known->addresses, member.addresses);
        }
    }
    return members;
}

std::vector<Member> PeerDirectory::others() const {
    std::vector<Member> members = listed();
    std::erase_if(members, [this](const Member& member) { return member.id == self_.id; });
    for (Member& member : members) {
        const auto learned = learned_.find(member.id);
        if (learned != learned_.end()) add_new(member.addresses, learned->second);
    }
    return members;
}

std::optional<Member> PeerDirectory::find(raft::ServerId server) const {
    std::vector<Member> members = others();
    const auto found = std::ranges::find(members, server, &Member::id);
    if (found == members.end()) return std::nullopt;
    return std::move(*found);
}

Membership PeerDirectory::membership() const {
    return {.index = std::max(registry_().index, introduced_.index), .members = listed()};
}

Result<void> PeerDirectory::admit(const rpc::Caller& caller,
                                  const std::string& trust_domain) const {
    if (!caller.identity) {
        return fail(ErrorCode::unauthenticated, "this needs a server's certificate");
    }
    if (caller.identity->kind != model::IdentityKind::server ||
        caller.identity->trust_domain != trust_domain) {
        return fail(ErrorCode::permission_denied,
                    std::format("{} is not a server of this mesh", caller.identity->to_uri()));
    }
    if (std::ranges::contains(others(), caller.identity->name, &Member::name)) return {};
    return fail(ErrorCode::permission_denied,
                std::format("server '{}' is not a member of this cluster: it was removed, or has "
                            "not joined{}",
                            caller.identity->name,
                            others().empty() ? ", or this server's data was put back to a state "
                                               "from before it joined"
                                             : ""));
}

Result<Member> PeerDirectory::identify(const rpc::Caller& caller, raft::ServerId claimed,
                                       const std::string& trust_domain) const {
    if (Result<void> admitted = admit(caller, trust_domain); !admitted)
        return fail(std::move(admitted.error()));
    std::optional<Member> member = find(claimed);
    if (member && member->name == caller.identity->name) return std::move(*member);
    return fail(
        ErrorCode::permission_denied,
        std::format("server '{}' claims the id {:016x}, which is {}", caller.identity->name,
                    claimed, member ? "that of server '" + member->name + "'" : "no member's"));
}

} // namespace hawser::server
