// The host's DNS responder: udp and tcp, answers for the mesh (dns_answer.h) and carries every
// other name to the nameservers the host had before.
//
// Forwarding changes nothing but the message's id. Each forwarded query has a socket of its own,
// connected to the upstream, with a random port and id; an answer must match all three and the
// question. Control loop only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "host/dns_answer.h"
#include "host/resolv_conf.h"
#include "io/loop.h"
#include "io/socket.h"
#include "io/task_group.h"

namespace hawser::host {

struct DnsServerOptions {
    std::vector<Endpoint> listen; // each udp and tcp; a port 0 gets the same number for both
    std::string domain = "mesh";
    bool ipv6 = true;                // AAAA for VIPs
    std::vector<Endpoint> upstreams; // empty: those of resolv_conf
    std::string resolv_conf = "/etc/resolv.conf";
    std::uint32_t mark = 0; // SO_MARK of forwarding sockets
    std::chrono::milliseconds forward_timeout = limits::dns_forward_timeout;
};

class DnsServer {
  public:
    using SnapshotSource = std::function<model::SnapshotPtr()>;
    using Counts = std::array<std::uint64_t, 8>; // by DnsResult

    DnsServer(io::Executor executor, DnsServerOptions options, SnapshotSource snapshot);
    ~DnsServer(); // after stop() has ended

    // Opens the listeners and starts to answer.
    [[nodiscard]] Result<void> start();
    [[nodiscard]] io::Task<void> stop();

    [[nodiscard]] const std::vector<Endpoint>& endpoints() const { return endpoints_; }
    [[nodiscard]] const Counts& counts() const { return counts_; }
    // Those in use now, without any that is this responder itself.
    [[nodiscard]] std::vector<Endpoint> upstreams();

  private:
    struct UdpListener;
    [[nodiscard]] Result<void> open(const Endpoint& wanted);
    [[nodiscard]] io::Task<void> serve_udp(std::shared_ptr<UdpListener> listener);
    [[nodiscard]] io::Task<void> serve_tcp(std::shared_ptr<io::Acceptor> acceptor);
    [[nodiscard]] io::Task<void> serve_connection(io::Socket socket);
    [[nodiscard]] io::Task<void> forward_udp(std::shared_ptr<UdpListener> listener,
                                             std::string query, struct UdpPeer peer);
    [[nodiscard]] io::Task<std::string> forward(std::string query, bool tcp);
    [[nodiscard]] DnsDecision decide_now(ByteView query, bool udp);
    void count(DnsResult result) { ++counts_[static_cast<std::size_t>(result)]; }

    io::Executor executor_;
    DnsServerOptions options_;
    SnapshotSource snapshot_;
    ResolvConf resolv_conf_;
    std::vector<Endpoint> endpoints_;
    Counts counts_{};
    std::size_t in_flight_ = 0;
    std::size_t connections_ = 0;
    std::size_t preferred_ = 0; // the upstream that answered last
    io::TaskGroup tasks_;
};

} // namespace hawser::host
