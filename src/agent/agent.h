// `hawser agent`: one host's proxy, wired together.
//
// The control loop owns everything here: the conversation with the servers, certificates, health
// checks, DNS, admin and metrics. The workers carry traffic on threads of their own and get one
// immutable view at a time. What comes in from below (the mesh's changes, new certificates, a
// check's outcome) meets here and goes out as a new view or a new registration.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/admin.h"
#include "agent/certificates.h"
#include "agent/control_session.h"
#include "agent/enrolment.h"
#include "agent/interception.h"
#include "agent/local_services.h"
#include "agent/mesh_state.h"
#include "agent/metrics_endpoint.h"
#include "agent/server_list.h"
#include "agent/service_files.h"
#include "agent/snapshot_cache.h"
#include "agent/state_dir.h"
#include "agent/view_publisher.h"
#include "base/result.h"
#include "config/agent_config.h"
#include "host/dns_server.h"
#include "io/loop.h"
#include "io/signal.h"
#include "io/task_group.h"
#include "proxy/worker.h"
#include "telemetry/access_log.h"

namespace hawser::agent {

struct AgentOptions {
    std::string version;
    std::string commit;
    // Once: the listeners are up and the mesh is known (from disk or from a server), or this host
    // has joined and no server answers for a while.
    std::function<void()> on_ready;
};

// Where it listens, ports of 0 replaced; dns from run() on.
struct BoundEndpoints {
    Endpoint tunnel;
    std::vector<proxy::Upstream> upstreams; // in the configuration's order, as of now
    std::vector<Endpoint> dns;
    Endpoint metrics;
};

class Agent {
  public:
    // Everything that can be wrong with the configuration or this host is found here: its state
    // folder, its identity or token, users, addresses in use.
    static Result<std::unique_ptr<Agent>> open(config::AgentConfig config, io::Loop& control,
                                               AgentOptions options);
    ~Agent(); // after run() has ended
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    // Serves until stop(), or until something fails that the agent can't do without (joining, the
    // kernel rules). Not to be cancelled: it ends by stop(), in bounded time.
    [[nodiscard]] io::Task<Result<void>> run();
    // Both on the control loop. hurry(): a stop() that is under way waits for nobody any more, and
    // still takes the kernel's rules along.
    void stop();
    void hurry();
    // Reads again what may have changed on disk: the identity, after `hawser join`, and services.d.
    void reload();
    // From now on SIGHUP leads to reload(): `hawser join` may send it.
    void heed_reload() const { state_.heed_reload(); }

    [[nodiscard]] const BoundEndpoints& bound() const { return bound_; }
    [[nodiscard]] bool ready() const { return ready_; }
    [[nodiscard]] model::SnapshotPtr mesh() const; // as last heard; never null
    [[nodiscard]] io::Task<v1::AgentStatusResponse> status();
    [[nodiscard]] v1::CertificatesResponse certificates() const;

  private:
    Agent(config::AgentConfig config, io::Loop& control, AgentOptions options, StateDir state,
          Enrolment enrolment);

    // agent_open.cpp
    [[nodiscard]] Result<void> open_all();
    [[nodiscard]] Result<void> open_workers();
    [[nodiscard]] proxy::WorkerOptions worker_options() const;
    [[nodiscard]] Result<void> open_dns(const std::string& domain);
    [[nodiscard]] Result<void> open_local_ends();
    void prepare_interception();

    // agent.cpp
    [[nodiscard]] io::Task<void> begin();
    [[nodiscard]] io::Task<void> settle_leftovers();
    void begin_as(NodeIdentity identity);
    [[nodiscard]] io::Task<void> join_again();
    [[nodiscard]] io::Task<void> watch_token();
    void reload_identity();
    void look_at_cache(const std::string& trust_domain);
    void give_up(Error why);
    [[nodiscard]] io::Task<void> cache_changes();
    [[nodiscard]] io::Task<void> ready_without_servers();
    void become_ready(); // if nothing is missing
    void say_ready();
    [[nodiscard]] std::string missing_for_ready() const; // "" when nothing is

    // agent_mesh.cpp: what changed, and who is to know
    [[nodiscard]] proxy::ViewPtr make_view() const;
    void on_mesh();
    [[nodiscard]] io::Task<void> spread_news(); // of the mesh, when there are
    void on_mesh_known();
    void publish();
    void on_enforced(std::uint64_t index);
    [[nodiscard]] model::SyncNode registration() const;
    [[nodiscard]] Endpoint advertised_tunnel() const;
    [[nodiscard]] v1::MeshChanges cacheable() const;
    [[nodiscard]] io::Task<void> install_interception();
    [[nodiscard]] io::Task<void> move_dns(std::string domain);

    // agent_services.cpp
    void watch_services();
    [[nodiscard]] Result<void> check_service(const config::ServiceConfig& service) const;
    void use_services(std::vector<config::ServiceConfig> services);

    // agent_stop.cpp
    [[nodiscard]] io::Task<void> shut_down();
    [[nodiscard]] io::Task<void> leave_rotation();
    [[nodiscard]] io::Task<void> stop_workers();
    [[nodiscard]] io::Task<void> take_rules_along();

    // agent_trust.cpp
    [[nodiscard]] io::Task<Result<v1::RenewCertificatesResponse>> renew(std::string identity);
    void add_certificate_warnings(v1::AgentStatusResponse& status) const;
    void refresh_certificate_metrics(telemetry::WorkerMetrics& metrics) const;

    // agent_status.cpp
    [[nodiscard]] io::Task<std::vector<proxy::WorkerState>> worker_states();
    void add_control_status(v1::AgentStatusResponse& status) const;
    void add_quarantines(v1::AgentStatusResponse& status) const;
    void add_warnings(v1::AgentStatusResponse& status) const;
    [[nodiscard]] io::Task<Result<v1::InterceptStatusResponse>> intercept_status();
    [[nodiscard]] io::Task<Result<host::KernelStatus>> kernel_status();
    void refresh_metrics(telemetry::WorkerMetrics& metrics);

    config::AgentConfig config_;
    io::Loop& control_;
    AgentOptions options_;
    StateDir state_;
    Enrolment enrolment_;
    ServerList servers_;
    Random random_;
    WallTime started_at_;
    bool transparent_;
    bool ipv6_;
    BoundEndpoints bound_;

    std::unique_ptr<telemetry::AccessLog> access_log_;
    std::unique_ptr<LocalServiceSet> services_;
    std::list<telemetry::WorkerMetrics> worker_metrics_;
    std::vector<std::unique_ptr<proxy::Worker>> workers_;
    std::unique_ptr<host::DnsServer> dns_;
    std::string dns_domain_;
    std::unique_ptr<MetricsEndpoint> metrics_;
    std::unique_ptr<AdminSocket> admin_;

    std::unique_ptr<MeshState> mesh_; // from joining on, or as soon as a cache tells of it
    // From joining on; all of them or none.
    std::unique_ptr<Certificates> certificates_;
    std::unique_ptr<ControlSession> session_;
    std::unique_ptr<ViewPublisher> views_;
    std::unique_ptr<SnapshotCache> cache_;
    std::unique_ptr<ServiceFiles> files_;
    std::unique_ptr<Interception> interception_; // transparent mode only

    bool ready_ = false;
    bool installing_ = false;
    bool moving_dns_ = false;
    std::string leftovers_error_; // why an earlier run's kernel rules are still there
    std::optional<Error> fatal_;
    io::Signal stopping_, news_, news_to_cache_, news_while_leaving_;
    io::TaskGroup tasks_, spreading_, leaving_;
};

} // namespace hawser::agent
