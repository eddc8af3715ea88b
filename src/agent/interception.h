// Transparent mode on this host: the kernel rules and routes that lead the mesh's virtual
// addresses, and the resolvers' traffic, to the agent. Put in place once the mesh's ranges are
// known, kept in place while the agent runs, taken away (or closed) when it stops. And what an
// agent that was killed left of them.
//
// After install() one task is the only one that changes the kernel. Control loop only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/agent_config.h"
#include "host/kernel_rules.h"
#include "host/resolv_conf.h"
#include "io/loop.h"
#include "io/signal.h"
#include "io/task_group.h"
#include "model/resources.h"

namespace hawser::agent {

struct InterceptionOptions {
    std::uint16_t outbound_port = 0;
    std::uint16_t inbound_port = 0;
    std::uint16_t tunnel_port = 0;
    std::uint16_t dns_port = 0; // 0: resolver traffic is left alone
    std::vector<std::uint16_t> service_ports;
    std::uint32_t mark = 0; // of the agent's own sockets
    bool ipv6 = false;
    config::OnExit on_exit = config::OnExit::open;
};

// Takes away (or closes, if the rules say so) what an agent that is gone left in the kernel.
[[nodiscard]] io::Task<Result<void>> leave_kernel(io::Executor executor);
// Takes all of it away, also what was left closed.
[[nodiscard]] io::Task<Result<void>> clear_kernel(io::Executor executor);
// What there is of it: rules, and routes as lines among the added. Without the right to read the
// rules, the routes alone.
[[nodiscard]] io::Task<Result<host::KernelStatus>> kernel_leftovers(io::Executor executor);

class Interception {
  public:
    Interception(io::Executor executor, InterceptionOptions options);
    ~Interception(); // after leave()

    // Rules and routes for the mesh's ranges; from then on they are looked after. A failure says
    // what is missing (the right, the program) and leaves nothing behind.
    [[nodiscard]] io::Task<Result<void>> install(model::TrustDomain domain);
    // The mesh's ranges are these now; soon the kernel's, too.
    void update(const model::TrustDomain& domain);
    void set_service_ports(std::vector<std::uint16_t> ports); // soon the kernel's, too
    [[nodiscard]] io::Task<Result<void>> leave();             // as on_exit says; again: fine
    // The kernel, or tried to.
    [[nodiscard]] bool touched() const { return touched_; }

    [[nodiscard]] bool installed() const { return installed_; }
    // Whether the last look found the rules as they should be.
    [[nodiscard]] bool intact() const { return intact_; }
    [[nodiscard]] const std::string& last_error() const { return last_error_; }
    [[nodiscard]] io::Task<Result<host::KernelStatus>> status();
    [[nodiscard]] std::string intended() const; // the script; "" before install()
    // Nameservers of resolv.conf whose traffic is left alone: who asks them learns nothing of the
    // mesh. Empty before install(), and where DNS is not captured.
    [[nodiscard]] std::vector<Endpoint> uncaptured();

  private:
    [[nodiscard]] host::KernelIntent intent_for(const model::TrustDomain& domain);
    [[nodiscard]] io::Task<Result<void>> apply();
    [[nodiscard]] Result<void> set_routes(const host::KernelIntent& intent);
    [[nodiscard]] io::Task<void> look_after();
    [[nodiscard]] io::Task<void> look();

    InterceptionOptions options_;
    host::KernelRules rules_;
    host::ResolvConf resolv_conf_;
    std::optional<model::TrustDomain> domain_;
    bool installed_ = false;
    bool touched_ = false; // the kernel, since the last leave()
    bool intact_ = false;
    std::string last_error_;
    io::Signal changed_;
    io::TaskGroup tasks_;
};

} // namespace hawser::agent
