// A whole mesh in one process for tests: a server and agents on one loop (their workers on threads
// of their own), real sockets on the loopback, state in a temporary folder. Explicit mode: no
// rights needed.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/agent.h"
#include "config/agent_config.h"
#include "config/server_config.h"
#include "fixtures.h"
#include "http/test_loop.h"
#include "io/task_group.h"
#include "rpc/client.h"
#include "server/server.h"

namespace hawser::agent::test {

const Endpoint loopback{.address = IpAddress::v4(0x7f000001), .port = 0};

// A local application: says back what it hears, until the caller ends its side.
class EchoServer {
  public:
    explicit EchoServer(hawser::test::TestLoop& loop);
    ~EchoServer();
    void stop(); // refuses from now on
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] int accepted() const { return accepted_; }

  private:
    [[nodiscard]] io::Task<void> accept_all();
    [[nodiscard]] io::Task<void> echo(io::Socket socket);

    hawser::test::TestLoop& loop_;
    std::optional<io::Acceptor> acceptor_;
    std::uint16_t port_ = 0;
    int accepted_ = 0;
    io::TaskGroup tasks_;
};

// One agent and how its run() ended.
class RunningAgent {
  public:
    RunningAgent(hawser::test::TestLoop& loop, std::unique_ptr<Agent> agent);
    ~RunningAgent(); // stops it

    void stop();
    [[nodiscard]] Agent& agent() { return *agent_; }
    [[nodiscard]] bool ended() const { return end_.has_value(); }
    [[nodiscard]] const Result<void>& end() const { return *end_; }
    [[nodiscard]] v1::AgentStatusResponse status();
    [[nodiscard]] Endpoint upstream(std::size_t number = 0) const {
        return agent_->bound().upstreams.at(number).listen;
    }

    int ready_calls = 0;

  private:
    [[nodiscard]] io::Task<void> run();

    hawser::test::TestLoop& loop_;
    std::unique_ptr<Agent> agent_;
    std::optional<Result<void>> end_;
    io::TaskGroup tasks_;
};

class Mesh {
  public:
    // `adjust` may change the server's configuration before init.
    explicit Mesh(const std::function<void(config::ServerConfig&)>& adjust = {});
    ~Mesh();

    void start_server(); // again at the same port
    void stop_server();
    [[nodiscard]] server::Server& server() { return *server_; }
    [[nodiscard]] Endpoint server_endpoint() const { return server_config_.listen; }

    // Calls the API on the admin socket; a failure ends the test.
    template <typename Response, typename Request>
    Response call(const std::string& method, Request request) {
        return value_of(loop.run(call_task<Response>(method, std::move(request))));
    }
    [[nodiscard]] std::string make_token(const std::string& node,
                                         std::vector<std::string> services);
    // Applies, and waits until every agent enforces it.
    void allow(const std::string& source, const std::string& destination);

    // A configuration with ports of its own and a token; add services.
    [[nodiscard]] config::AgentConfig agent_config(const std::string& node,
                                                   std::vector<std::string> services);
    // Opened, running and ready.
    [[nodiscard]] std::unique_ptr<RunningAgent> start(config::AgentConfig config);

    // What the mesh knows of a service's instances, as this agent has heard: the usable ones.
    [[nodiscard]] static std::size_t usable(RunningAgent& agent, const std::string& service);
    // Sends a text through the endpoint; what came back until the end. Empty: cut off.
    [[nodiscard]] std::string talk(const Endpoint& endpoint, const std::string& text);
    // Until talking works.
    [[nodiscard]] bool talks(const Endpoint& endpoint);

    hawser::test::TestLoop loop;
    TemporaryFolder folder;

  private:
    template <typename Response, typename Request>
    io::Task<Result<Response>> call_task(std::string method, Request request) {
        auto client = co_await rpc::Client::connect_unix(server_config_.socket);
        if (!client) co_return fail(std::move(client.error()));
        co_return co_await (*client)->template call<Response>("/hawser.v1.Api/" + method,
                                                              std::move(request));
    }
    [[nodiscard]] io::Task<void> run_server();

    config::ServerConfig server_config_;
    std::unique_ptr<server::Server> server_;
    std::optional<Result<void>> server_end_;
    io::TaskGroup tasks_;
};

// A service with the application behind it, and one that only calls.
[[nodiscard]] config::ServiceConfig offered(const std::string& name, std::uint16_t port);
[[nodiscard]] config::ServiceConfig caller(const std::string& name, const std::string& upstream);

} // namespace hawser::agent::test
