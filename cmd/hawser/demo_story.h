// The demo's story: a server, two agents, real programs; then what hawser promises, one step at a
// time, each looked at from outside. The first step that does not hold ends it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "demo_capture.h"
#include "demo_hosts.h"
#include "demo_plan.h"
#include "demo_report.h"

namespace hawser::cmd::demo {

class Story {
  public:
    Story(Hosts& hosts, Plan plan, Report& report);

    Result<void> tell();
    // After tell(): everything up again, for --keep.
    Result<void> revive();
    // After tell(): the agents stopped; the kernel must be as it was.
    Result<void> leave();
    // The step that was being told, for the failure's line; and logs that may explain it.
    [[nodiscard]] const std::string& step() const { return step_; }
    [[nodiscard]] std::string logs() const;
    [[nodiscard]] const std::string& summary() const { return summary_; }

  private:
    struct Load { // figures of the "load" role
        int ok = 0, failed = 0;
        std::chrono::microseconds p50{}, p99{};
        nlohmann::json bodies;
    };
    struct Client { // a program's call, as shown and as run
        std::string shown;
        std::vector<std::string> arguments;
    };

    // The mesh.
    Result<void> start_server();
    Result<void> join_hosts();
    Result<void> join(const HostPlan& host, const std::string& services, pid_t& agent);
    Result<void> start_programs();
    Result<void> start_api(const std::string& instance, std::uint16_t port, pid_t& pid);
    Result<void> start_cache();
    // The promises.
    Result<void> nothing_is_allowed();
    Result<void> a_policy_allows();
    Result<void> curl_reaches_api();
    Result<void> redis_reaches_cache();
    Result<void> connections_are_cheap();
    Result<void> the_wire_is_dark();
    Result<void> others_are_refused();
    Result<void> an_instance_dies();
    Result<void> the_server_stops();
    Result<void> left_nothing(const HostPlan& host);

    void begin(const std::string& step, const std::string& working);
    [[nodiscard]] Place at(const HostPlan& host) const;
    [[nodiscard]] Place as(std::uint32_t uid) const;
    [[nodiscard]] Client http_client(std::uint16_t upstream_port, const std::string& path) const;
    Result<Output> call(const Client& client, std::uint32_t uid);
    Result<void> must_be_refused(const Client& client, std::uint32_t uid, const std::string& who);
    Result<Load> load(int count);
    Result<nlohmann::json> ask(const HostPlan& host, const std::string& role,
                               std::vector<std::string> command);
    [[nodiscard]] int passing(const std::string& service);
    [[nodiscard]] bool has_joined(const HostPlan& host);

    Hosts& hosts_;
    Plan plan_;
    Report& report_;
    Capture capture_;
    std::string step_, summary_, marker_, vip_;
    pid_t server_ = 0, web_agent_ = 0, api_agent_ = 0, api_one_ = 0, api_two_ = 0;
    bool cache_is_http_ = false;
};

} // namespace hawser::cmd::demo
