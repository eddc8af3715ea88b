// Hosts of a mesh on one loop, for tests of both sides of a connection: a worker's parts without
// its thread and listeners, and far agents that do what the test tells them.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "http/test_connections.h"
#include "proxy/context.h"

namespace hawser::proxy::test {

using hawser::test::TestEnd;
using hawser::test::TestLoop;
using hawser::test::TestStream;

inline constexpr std::string_view trust_domain = "hawser.local";

template <typename T>
T value_of(Result<T> result) {
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    return std::move(*result);
}

// A mesh with one service, "api".
struct MeshRows {
    model::Service api{.name = "api"};
    std::vector<model::Node> nodes;
    std::vector<model::Instance> instances;
    std::vector<model::Policy> policies;
    std::vector<model::Quarantine> quarantines;

    // An instance of api behind that tunnel listener.
    void add(const std::string& node, const Endpoint& tunnel, std::uint16_t port = 8080);
    void allow(const std::string& caller);
    [[nodiscard]] model::SnapshotPtr snapshot() const;
};

// A listener on the loopback that hands out what it accepts.
class Listener {
  public:
    Listener(TestLoop& loop, std::function<void(io::Socket)> take);
    ~Listener();
    [[nodiscard]] Endpoint endpoint() const { return endpoint_; }

  private:
    [[nodiscard]] io::Task<void> accept_all();

    TestLoop& loop_;
    std::function<void(io::Socket)> take_;
    io::Acceptor acceptor_;
    Endpoint endpoint_;
    io::TaskGroup tasks_;
};

// A worker's context. As a caller it speaks as "web"; as a callee it offers api.
class Host {
  public:
    Host(TestLoop& loop, const std::string& node);
    ~Host(); // ends its tasks

    // What it knows of the mesh, and where its api listens, if it has one.
    void know(const MeshRows& rows, Endpoint api = {});
    // New certificates for its node and for web, with the next view.
    void certify(std::uint64_t generation, Duration lifetime);
    // A program's connection to api through the explicit listener.
    [[nodiscard]] io::Socket call();
    // Takes tunnels from others from now on.
    [[nodiscard]] Endpoint listen();
    [[nodiscard]] std::uint64_t counted(telemetry::Metric metric,
                                        std::initializer_list<std::string_view> labels);
    // Connections from web to api, both by their services' identities.
    [[nodiscard]] std::uint64_t opened(std::string_view reporter, std::string_view security,
                                       std::string_view flags = "-");

    bool speaks_as_web = true; // from the next view on
    telemetry::WorkerMetrics metrics;
    WorkerOptions options{.service_counts = std::make_shared<HostCounts>(),
                          .caller_proofs = std::make_shared<CallerProofs>()};
    std::unique_ptr<telemetry::AccessLog> log = telemetry::AccessLog::none();
    Context context;

  private:
    TestLoop& loop_;
    std::string node_;
    tls::CredentialsPtr node_credentials_, web_credentials_;
    std::unique_ptr<Listener> tunnels_;
};

// An agent that accepts tunnels; what is answered on them is the test's business.
class FarAgent {
  public:
    FarAgent(TestLoop& loop, const std::string& node);
    ~FarAgent();
    [[nodiscard]] Endpoint endpoint() const { return listener_.endpoint(); }
    [[nodiscard]] std::size_t requests() const;

    std::function<void(TestStream&)> when_request; // set before the first tunnel
    std::list<std::unique_ptr<TestEnd>> tunnels;

  private:
    void take(TestLoop& loop, io::Socket socket);

    tls::CredentialsPtr credentials_;
    Listener listener_;
};

// What a read of the socket ends with: eof, connection_reset …; empty while it goes on.
class End {
  public:
    End(TestLoop& loop, io::Socket& socket);
    ~End();
    std::optional<std::error_code> error;
    std::string received;

  private:
    [[nodiscard]] io::Task<void> read(io::Socket& socket);
    TestLoop& loop_;
    io::TaskGroup tasks_;
};

} // namespace hawser::proxy::test
