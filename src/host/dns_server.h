// The host's DNS responder: udp and tcp, answers for the mesh (dns_answer.h) and carries every
// other name to the nameservers the host had before.
//
// Forwarding changes nothing of a message but its id, on the way and back: what an upstream
// truncated stays truncated, and the asker comes back over TCP, which is forwarded over TCP. Each
// forwarded query has a socket of its own (dns_forward.h). The upstreams are asked in their order,
// as a resolver does: the first may know names that the others don't. Only one that answered
// nothing at all while an answer was waited for goes behind the others, for a while. Control loop
// only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/limits.h"
#include "base/result.h"
#include "host/dns_answer.h"
#include "host/resolv_conf.h"
#include "host/udp_listener.h"
#include "io/loop.h"
#include "io/socket.h"
#include "io/task_group.h"

namespace hawser::host {

struct DnsServerOptions {
    std::vector<Endpoint> listen;    // each udp and tcp; a port 0 gets the same number for both
    std::string domain = "mesh";     // until a snapshot says which
    bool ipv6 = true;                // AAAA for VIPs
    std::vector<Endpoint> upstreams; // empty: those of resolv_conf
    std::string resolv_conf = "/etc/resolv.conf";
    std::uint32_t mark = 0; // SO_MARK of forwarding sockets
    std::chrono::milliseconds forward_timeout = limits::dns_forward_timeout; // all tries together
    std::chrono::milliseconds upstream_rest{10'000};                         // of a silent one
};

class DnsServer {
  public:
    using SnapshotSource = std::function<model::SnapshotPtr()>; // may return null
    using Counts = std::array<std::uint64_t, dns_result_count>;

    DnsServer(io::Executor executor, DnsServerOptions options, SnapshotSource snapshot);

    // Opens the listeners and begins to answer.
    [[nodiscard]] Result<void> start();
    // Before the destruction.
    [[nodiscard]] io::Task<void> stop();

    // Where it listens, in the order of the options.
    [[nodiscard]] const std::vector<Endpoint>& endpoints() const { return endpoints_; }
    // Queries by DnsResult.
    [[nodiscard]] const Counts& counts() const { return counts_; }
    // Those in use now, in the order to ask, without any that is this responder itself.
    [[nodiscard]] std::vector<Endpoint> upstreams();

  private:
    using ListenerPtr = std::shared_ptr<UdpListener>;
    using Time = std::chrono::steady_clock::time_point;
    // When it last said anything, and until when it rests.
    struct Record {
        Endpoint upstream;
        Time answered, rests_until;
    };
    [[nodiscard]] Result<void> open(const Endpoint& wanted);
    [[nodiscard]] io::Task<void> serve_udp(ListenerPtr listener);
    [[nodiscard]] io::Task<void> serve_tcp(std::shared_ptr<io::Acceptor> acceptor);
    [[nodiscard]] io::Task<void> serve_connection(io::Socket socket);
    [[nodiscard]] io::Task<void> answer_later(ListenerPtr listener, UdpPeer peer,
                                              std::string query);
    [[nodiscard]] io::Task<std::string> answer_tcp(std::string query);
    [[nodiscard]] io::Task<std::string> forward(std::string query, bool tcp);
    void handle_datagram(const ListenerPtr& listener, const UdpPeer& peer, ByteView query);
    [[nodiscard]] DnsDecision decide_now(ByteView query, bool udp);
    [[nodiscard]] Record& record_of(const Endpoint& upstream);
    [[nodiscard]] bool is_self(const Endpoint& upstream) const;
    [[nodiscard]] bool rests(const Endpoint& upstream) const;
    void note_answer(const Endpoint& upstream);
    void note_silence(const Endpoint& upstream, Time since);
    void count(DnsResult result) { ++counts_[static_cast<std::size_t>(result)]; }

    io::Executor executor_;
    DnsServerOptions options_;
    SnapshotSource snapshot_;
    ResolvConf resolv_conf_;
    std::vector<Endpoint> endpoints_;
    Counts counts_{};
    std::size_t in_flight_ = 0;
    std::size_t connections_ = 0;
    std::vector<Record> records_; // of upstreams now or lately in use
    io::TaskGroup tasks_;
};

} // namespace hawser::host
