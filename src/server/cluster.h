// This server as a member of its cluster: who the others are, the roads to them, and what they call
// here. A server that is alone has the same, with nobody at the other end.
//
// One loop. cancel() and join() before it goes; the raft node stops before that, so that it can
// still hand leadership over.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rpc/server.h"
#include "server/peer_api.h"
#include "server/peer_directory.h"
#include "server/peers.h"
#include "server/raft_node.h"
#include "tls/credentials.h"

namespace hawser::server {

class Cluster {
  public:
    // All must outlive the cluster.
    struct Parts {
        io::Executor executor;
        RaftNode& raft;
        Refusals& refusals;
        Member self;
        std::string trust_domain;
        std::string version;
        std::function<tls::CredentialsPtr()> credentials;
    };
    explicit Cluster(Parts parts);

    // The methods refer to this.
    void add_to(rpc::Methods& methods) { api_.add_to(methods); }
    // Who is of it, as whoever let this server join said.
    void introduce(Membership membership) { directory_.introduce(std::move(membership)); }
    [[nodiscard]] const Member& self() const { return directory_.self(); }
    // A server whom this one listens to; and whether it is the one that it claims to be.
    [[nodiscard]] Result<void> admit(const rpc::Caller& caller) const {
        return directory_.admit(caller, parts_.trust_domain);
    }
    [[nodiscard]] bool knows(const rpc::Caller& caller) const { return admit(caller).has_value(); }
    [[nodiscard]] Result<Member> identify(const rpc::Caller& caller, raft::ServerId claimed) const {
        return directory_.identify(caller, claimed, parts_.trust_domain);
    }
    [[nodiscard]] io::Task<PeerTransport::Answer> call(raft::ServerId to, std::string path,
                                                       std::string request,
                                                       std::chrono::milliseconds timeout) {
        return peers_.call(to, std::move(path), std::move(request), timeout);
    }

    // Dials the others; raft takes part from now on.
    void start();
    // The registry lists other servers now, or elsewhere.
    void members_changed();
    // Nobody is heard any more.
    void end_streams() { api_.end_all(); }
    void cancel() { peers_.cancel(); }
    [[nodiscard]] io::Task<void> join() { return peers_.join(); }

    [[nodiscard]] std::vector<Peers::Status> links() const { return peers_.status(); }
    // This server was a member once, and is none any more: so the registry says or, where it never
    // heard of that, whom it tried to reach.
    [[nodiscard]] bool removed() const;

  private:
    [[nodiscard]] Membership registered() const;

    Parts parts_;
    PeerDirectory directory_;
    Peers peers_;
    PeerApi api_;
};

} // namespace hawser::server
