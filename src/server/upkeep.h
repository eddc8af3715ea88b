// What a member of the cluster does unasked, and what members ask each other beside raft's messages
// and commands. Its row says where it is; its agents are told to the leader; and when it leads, it
// sees to it that raft's configuration follows the registry's rows (autopilot.h).
//
// One loop. cancel() and join() before it goes.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/task_group.h"
#include "rpc/server.h"
#include "server/access.h"
#include "server/authority_upkeep.h"
#include "server/autopilot.h"
#include "server/cluster.h"
#include "server/raft_node.h"
#include "server/sessions.h"

namespace hawser::server {

class Upkeep {
  public:
    using Clock = std::chrono::steady_clock;
    // All must outlive this.
    struct Parts {
        io::Executor executor;
        RaftNode& raft;
        Sessions& sessions;
        Cluster& cluster;
        AuthorityUpkeep& authority;
        std::string version;
        AutopilotOptions autopilot{};
    };
    explicit Upkeep(Parts parts);

    // Answers what only the leader can, for an actor whom another server let in.
    using Answerer = std::function<io::Task<Result<std::string>>(std::string method,
                                                                 std::string request, Actor actor)>;
    void on_ask(Answerer answer) { answer_ = std::move(answer); }
    // The methods refer to this.
    void add_to(rpc::Methods& methods);

    void start();
    void cancel() { tasks_.cancel(); }
    [[nodiscard]] io::Task<void> join() { return tasks_.join(); }

    // An operator's call, to the server that leads.
    [[nodiscard]] io::Task<Result<std::string>> ask_leader(std::string method, std::string request,
                                                           Actor actor,
                                                           std::chrono::milliseconds timeout);

    // Fails, with what to do, where this server was a member once and is none any more.
    [[nodiscard]] Result<void> check_member() const;

  private:
    // upkeep.cpp
    void add_method(rpc::Methods& methods, std::string_view path,
                    io::Task<Result<std::string>> (Upkeep::*method)(const rpc::Caller& caller,
                                                                    std::string request));
    io::Task<Result<std::string>> take_leases(const rpc::Caller& caller, std::string request);
    io::Task<Result<std::string>> answer(const rpc::Caller& caller, std::string request);
    [[nodiscard]] Result<void> check_leading(const rpc::Caller& caller, raft::ServerId from) const;

    // upkeep_leases.cpp
    io::Task<void> report_leases();
    io::Task<void> keep_current();
    io::Task<void> report_to(raft::ServerId leader, Clock::time_point now);
    [[nodiscard]] std::string lease_report(Clock::time_point now) const;
    void compare(std::uint64_t leaders_index, Clock::time_point now);
    void review_serving(Clock::time_point now);

    // upkeep_members.cpp
    io::Task<void> keep_members();
    [[nodiscard]] ClusterView view() const;
    io::Task<Result<void>> carry_out(Autopilot::Step step);
    io::Task<Result<void>> change(raft::ChangeMembership::Kind kind, raft::ServerId server);
    io::Task<Result<void>> propose(model::Command command);
    io::Task<Result<void>> send_away(Autopilot::SendAway step);
    io::Task<void> keep_own_row();
    [[nodiscard]] std::optional<model::Server> own_row_to_write() const;
    void tell(const Result<void>& result, std::string_view what);

    Parts parts_;
    Answerer answer_;
    std::optional<Clock::time_point> heard_leader_at_; // a lease report of then was answered
    std::optional<Clock::time_point> behind_since_;
    std::uint64_t wanted_ = 0; // the leader's index when it was found to be behind
    std::string told_;         // the last error, so that each is logged once
    io::TaskGroup tasks_;
};

} // namespace hawser::server
