// Several servers' raft nodes in one process: real TLS over the loopback, real disks, one loop.
// Each reaches each other over a relay of their own, which tests can cut.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ca/authority.h"
#include "server/loop_runner.h"
#include "server/peer_api.h"
#include "server/peers.h"
#include "server/raft_node.h"
#include "server/relay.h"
#include "store/temporary_directory.h"

namespace hawser::server::test {

// A certificate authority, and what it gives out.
class TestAuthority {
  public:
    TestAuthority();
    [[nodiscard]] tls::CredentialsPtr issue(model::IdentityKind kind, const std::string& name,
                                            const std::string& trust_domain = "hawser.local") const;

  private:
    std::optional<ca::Authority> authority_;
};

class Cluster;

// One server: what the server program puts together, without the rest of it.
class ClusterServer {
  public:
    ClusterServer(Cluster& cluster, std::string name, raft::ServerId id);
    ~ClusterServer();

    // As after a power cut: nothing is flushed, nobody is told.
    void crash();
    void start();
    [[nodiscard]] bool running() const { return node != nullptr; }

    [[nodiscard]] Result<registry::Outcome> propose(model::Command command);
    [[nodiscard]] bool has_service(const std::string& service) const;
    [[nodiscard]] std::string state() const; // every row, comparable

    const std::string name;
    const raft::ServerId id;
    Endpoint endpoint; // another one after a restart; the roads' ends for the others stay
    std::unique_ptr<PeerDirectory> directory;
    std::unique_ptr<Peers> peers;
    std::unique_ptr<PeerApi> api;
    Refusals refusals;
    std::unique_ptr<RaftNode> node;
    int installed = 0; // snapshots

  private:
    Cluster& cluster_;
    std::unique_ptr<io::TaskGroup> listening_;
};

class Cluster {
  public:
    struct Options {
        std::size_t servers = 3;
        raft::Options raft{};
        RaftOptions node{};
    };
    explicit Cluster(Options options);
    Cluster() : Cluster(Options{}) {}
    ~Cluster();

    [[nodiscard]] ClusterServer& operator[](std::size_t at) { return *servers.at(at); }
    // One that leads and is known to lead by all that run, and are not among `except`.
    ClusterServer& leader(const std::set<std::string>& except = {});
    [[nodiscard]] std::vector<ClusterServer*> followers();
    ClusterServer& add(std::string name); // listed, with an empty disk; not started
    void unlist(const std::string& name);

    // Proposed at the server; fails the test unless it is carried out.
    void write(ClusterServer& at, const std::string& service);
    void set_road(const ClusterServer& from, const ClusterServer& to, Relay::State state);
    void isolate(const ClusterServer& server, Relay::State state);
    void heal();
    // All that run have the same registry, with everything that was committed.
    void converge();

    store::test::TemporaryDirectory directory;
    LoopRunner runner;
    TestAuthority authority;
    Options options;
    std::vector<std::unique_ptr<ClusterServer>> servers;

  private:
    friend class ClusterServer;
    [[nodiscard]] Membership members_as_seen_by(const ClusterServer& server);
    void point_roads(const ClusterServer& to);

    std::set<std::string> unlisted_;
    std::map<std::pair<raft::ServerId, raft::ServerId>, std::unique_ptr<Relay>> roads_;
    raft::ServerId next_id_ = 0x100;
};

[[nodiscard]] model::CommandEnvelope envelope(model::Command command);
[[nodiscard]] model::InitTrust init_trust();
[[nodiscard]] model::ApplyResources services(const std::vector<std::string>& names);

} // namespace hawser::server::test
