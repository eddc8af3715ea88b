// Who the servers of this cluster are, and where: what the registry says, and while the registry
// is behind (a server that joins has none, one that was away has an old one), what other members
// say. A server is known by its raft id and its name together: the one in the log, the other in
// its certificate. Whoever has another pair is refused, as is who is no longer listed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rpc/server.h"
#include "server/peer_calls.h"

namespace hawser::server {

class PeerDirectory {
  public:
    // `registry` gives the members as the registry has them, with its index.
    PeerDirectory(Member self, std::function<Membership()> registry);

    // Somebody who is of the cluster said who is: the answer to joining, or a member's. It counts
    // until the registry is as new.
    void introduce(Membership membership);
    // A member said where it is reached. Tried after the addresses of the registry.
    void learn(raft::ServerId server, std::vector<Endpoint> addresses);

    // Every member but this server, with all addresses to try.
    [[nodiscard]] std::vector<Member> others() const;
    [[nodiscard]] std::optional<Member> find(raft::ServerId server) const;
    // As this server would tell others.
    [[nodiscard]] Membership membership() const;
    [[nodiscard]] const Member& self() const { return self_; }

    // Whether the caller may be listened to at all: a server of that trust domain, and a member.
    [[nodiscard]] Result<void> admit(const rpc::Caller& caller,
                                     const std::string& trust_domain) const;
    // Whether it is also the one that it claims to be.
    [[nodiscard]] Result<Member> identify(const rpc::Caller& caller, raft::ServerId claimed,
                                          const std::string& trust_domain) const;

  private:
    [[nodiscard]] std::vector<Member> listed() const;

    Member self_;
    std::function<Membership()> registry_;
    Membership introduced_;
    std::map<raft::ServerId, std::vector<Endpoint>> learned_;
};

} // namespace hawser::server
