// The authority over time. Every server takes over what the registry says of it as soon as it can
// open its keys, and asks the others for the sealing key where they make it themselves. The leader
// moves the keys of an older mesh into the registry, follows an intermediate by another, and leads
// through a change of the root; what is due is ca/rotation.h's decision.
//
// All of it stands in the registry, written under the condition that nobody wrote meanwhile: any
// leader goes on where the last one was. One loop. cancel() and join() before it goes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ca/rotation.h"
#include "config/server_config.h"
#include "io/task_group.h"
#include "model/proto/cluster.pb.h"
#include "rpc/server.h"
#include "server/authority_keeper.h"
#include "server/cluster.h"
#include "server/raft_node.h"
#include "server/sessions.h"

namespace hawser::server {

[[nodiscard]] AuthorityRows authority_rows(const registry::Tables& tables);

class AuthorityUpkeep {
  public:
    // All must outlive this.
    struct Parts {
        io::Executor executor;
        const config::ServerConfig& config;
        RaftNode& raft;
        Sessions& sessions;
        Cluster& cluster;
        AuthorityKeeper& keeper;
    };
    explicit AuthorityUpkeep(Parts parts);

    // The methods refer to this.
    void add_to(rpc::Methods& methods);
    void start();
    void cancel() { tasks_.cancel(); }
    [[nodiscard]] io::Task<void> join() { return tasks_.join(); }

    // The registry has another authority or trust domain.
    void changed();
    // Why this server does not sign with what the registry says; empty: it does.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

    // What this server tells the leader of itself, and what the leader makes of it.
    void add_to(v1::LeaseReport& report) const;
    void take(const v1::LeaseReport& report);

    // --- as the leader knows it ---
    [[nodiscard]] ca::RotationFacts facts() const;
    [[nodiscard]] std::string waits_for() const; // why a rotation does not go on now

    // --- for operators, on the leader ---
    struct Brought {
        std::string certificates; // PEM
        std::string key;
    };
    // To another root; without one that was brought it is made.
    [[nodiscard]] io::Task<Result<void>> rotate(std::optional<Brought> brought, std::string actor);
    // Goes on though these nodes and servers did not take the next root over.
    [[nodiscard]] io::Task<Result<void>> go_on_without(std::vector<std::string> names,
                                                       std::string actor);
    [[nodiscard]] io::Task<Result<void>> abort(std::string actor);

  private:
    struct Report {
        std::uint64_t index = 0; // of the authority that it uses
        Duration certificate_lifetime{};
    };

    // authority_upkeep.cpp
    io::Task<void> keep_current();
    io::Task<Result<void>> take_over();
    io::Task<Result<void>> fetch_sealing_key(std::string id);
    io::Task<Result<std::string>> hand_out(const rpc::Caller& caller, std::string request);
    void tell(const Result<void>& result);

    // authority_rotation.cpp
    io::Task<void> keep_rotating();
    io::Task<Result<void>> take_step();
    io::Task<Result<void>> adopt();
    io::Task<Result<void>> renew_intermediate();
    [[nodiscard]] Result<void> check_known() const;
    [[nodiscard]] Duration longest_leaf() const;
    [[nodiscard]] io::Task<Result<void>> put(model::Authority authority, std::string actor);
    void add_missing_nodes(std::vector<std::string>& missing) const;

    [[nodiscard]] const registry::Tables& tables() const { return parts_.raft.registry().tables(); }

    Parts parts_;
    std::map<raft::ServerId, Report> reports_; // of the others
    std::string trouble_;
    std::string told_; // by the leader, so that each is logged once
    Broadcast changed_;
    io::TaskGroup tasks_;
};

} // namespace hawser::server
