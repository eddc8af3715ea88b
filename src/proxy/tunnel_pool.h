// The warm mTLS sessions of one worker to other agents, by (who we are, which agent): opening a
// stream on one costs no handshake. A session is dialled once however many connections wait for
// it; a second one is added when the first carries as many streams as the peer allows.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/ip.h"
#include "base/result.h"
#include "http/h2_connection.h"
#include "io/signal.h"
#include "io/task_group.h"
#include "proxy/proofs.h"
#include "proxy/repeats.h"
#include "proxy/view.h"
#include "telemetry/metrics.h"
#include "tls/credentials.h"

namespace hawser::proxy {

// Every stream of a session may hold back its whole window without stopping the others.
inline constexpr std::int32_t tunnel_session_window =
    static_cast<std::int32_t>(limits::tunnel_streams_per_session) * limits::tunnel_stream_window;

struct TunnelKey {
    std::string source; // calling service
    std::string node;   // whose certificate must answer
    Endpoint endpoint;
    auto operator<=>(const TunnelKey&) const = default;
};

// How a tunnel of somebody who may take part in nothing is ended: first politely, so that what was
// cut on it reaches the other agent, and soon after for good.
class Dismissal {
  public:
    // Asked again and again.
    void go_on(http::H2Connection& connection);

  private:
    std::optional<std::chrono::steady_clock::time_point> since_;
};

// One session. Kept alive by whoever has a stream on it.
struct Tunnel {
    std::unique_ptr<http::H2Connection> connection;
    WallTime retire_at = 0; // before either certificate ends
    std::chrono::steady_clock::time_point idle_since;
    ProofPtr proof; // of the group
    Dismissal dismissal;
};

class TunnelPool {
  public:
    // Dials and runs sessions as tasks of the group.
    TunnelPool(io::Executor executor, io::TaskGroup& tasks, telemetry::WorkerMetrics& metrics,
               Repeats& repeats);
    ~TunnelPool();

    // A session with room for one more stream, waited for until `deadline`. Fails when dialling
    // did, with the step that did.
    [[nodiscard]] io::Task<Result<std::shared_ptr<Tunnel>>> acquire(
        TunnelKey key, tls::CredentialsPtr credentials, std::string trust_domain,
        std::chrono::steady_clock::time_point deadline);
    // Once a second or so: closes idle sessions, and retires those whose certificate nears its end.
    // While streams go on in them, another one is made with renewed certificates: it is what those
    // streams may live on by, and it is there when a new one comes.
    void tick(const View& view, WallTime now);
    void goaway_all();
    // Sessions of keys that are refused: see Dismissal.
    void close_refused(const std::function<bool(const TunnelKey&)>& refused);
    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] std::size_t open_streams() const;

  private:
    struct Group { // sessions of one key
        std::list<std::shared_ptr<Tunnel>> tunnels;
        std::list<io::Signal*> waiting;
        Error dial_error;
        std::uint64_t dials_ended = 0;
        bool dialling = false;
        ProofPtr proof = std::make_shared<Proof>();
        WallTime prove_at = 0; // with another session, if streams go on
    };
    [[nodiscard]] io::Task<void> dial(TunnelKey key, tls::CredentialsPtr credentials,
                                      std::string trust_domain,
                                      std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] io::Task<Result<std::shared_ptr<Tunnel>>> open(
        TunnelKey key, tls::CredentialsPtr credentials, std::string trust_domain,
        std::chrono::steady_clock::time_point deadline);
    [[nodiscard]] io::Task<void> run(TunnelKey key, std::shared_ptr<Tunnel> tunnel);
    void prove_again(const TunnelKey& key, Group& group, const View& view, WallTime now);
    [[nodiscard]] static std::shared_ptr<Tunnel> ready(const Group& group);

    io::Executor executor_;
    io::TaskGroup& tasks_;
    telemetry::WorkerMetrics& metrics_;
    Repeats& repeats_;
    std::map<TunnelKey, Group> groups_;
};

} // namespace hawser::proxy
