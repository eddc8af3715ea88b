// The server program, put together: registry, raft, certificate authority, API and agent sessions
// on one loop.
//
//   auto server = co_await Server::open(loop.executor(), config, version);
//   … tell systemd: server->endpoint() listens …
//   Result<void> ended = co_await server->run();   // until stop(), or until the disk fails
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "config/server_config.h"
#include "io/loop.h"
#include "io/socket.h"
#include "model/resources.h"
#include "server/raft_node.h"

namespace hawser::server {

class Server {
  public:
    // Opens the data directory, catches up with its log, and listens. Fails clearly where there is
    // no trust domain yet (`hawser init`). Between open() and run() connections wait in the
    // listeners' queues.
    static io::Task<Result<std::unique_ptr<Server>>> open(io::Executor executor,
                                                          config::ServerConfig config,
                                                          std::string version);
    ~Server(); // after run() returned, or without it
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // Serves until stop(), or until writing has ended for good, which is then the failure.
    [[nodiscard]] io::Task<Result<void>> run();
    // From the loop's thread. run() then drains and returns.
    void stop();

    [[nodiscard]] Endpoint endpoint() const;         // as bound: the port is never 0
    [[nodiscard]] const std::string& socket() const; // the admin socket's path
    [[nodiscard]] const model::TrustDomain& trust_domain() const;
    [[nodiscard]] RaftStatus raft_status() const;
    [[nodiscard]] const registry::Registry& registry() const;

  private:
    struct Parts;
    explicit Server(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

} // namespace hawser::server
