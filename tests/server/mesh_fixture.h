// A whole server in this process, over real TLS on loopback, and agents and operators that talk to
// it the way the real ones do.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ca/tokens.h"
#include "config/server_config.h"
#include "io/task_group.h"
#include "model/codec.h"
#include "model/mesh_snapshot.h"
#include "model/proto/control.pb.h"
#include "rpc/client.h"
#include "server/init.h"
#include "server/loop_runner.h"
#include "server/server.h"
#include "store/temporary_directory.h"
#include "tls/credentials.h"
#include "tls/x509.h"

namespace hawser::server::test {

// What one side of the mesh keeps after it joined.
struct Host {
    std::string node;
    tls::CredentialsPtr credentials; // with the node's certificate
    v1::JoinResponse joined;
};

class MeshFixture {
  public:
    explicit MeshFixture(Duration session_timeout = Duration(60'000));
    ~MeshFixture();
    MeshFixture(const MeshFixture&) = delete;
    MeshFixture& operator=(const MeshFixture&) = delete;

    // Stops the server as a signal would, and runs one again on the same directory and port.
    void stop_server();
    void start_server();
    void restart_server() {
        stop_server();
        start_server();
    }

    // --- as an operator ---
    template <typename Response, typename Request>
    Result<Response> call(const std::string& method, Request request) {
        rpc::Client& client = operator_client();
        return runner.run(client.call<Response>("/hawser.v1.Api/" + method, std::move(request)));
    }
    rpc::Client& operator_client();
    // The operator's token has this role from now on; the server restarts for it.
    void demote_operator(model::Role role);
    ca::JoinTokenText create_token(const std::string& node, std::vector<std::string> services,
                                   Duration ttl = Duration(0));
    Result<v1::ApplyResponse> apply(std::vector<model::Service> services,
                                    std::vector<model::Policy> policies = {});

    // --- as a host ---
    tls::CredentialsPtr pinned(const std::string& pin);
    // With a new key, unless one is given.
    Result<Host> join(const ca::JoinTokenText& token, std::optional<std::string> as = {},
                      std::string key = *tls::generate_key_pem());
    Host must_join(const std::string& node, std::vector<std::string> services);
    std::unique_ptr<rpc::Client> connect(const Host& host);
    // The same host with the certificate that it gets now.
    Result<Host> renew(const Host& host);
    Result<std::string> sign(const Host& host, const std::string& service,
                             model::Identity in_request);

    LoopRunner runner;
    store::test::TemporaryDirectory directory;
    config::ServerConfig config;
    InitResult init_result;
    std::unique_ptr<Server> server;
    std::optional<Result<void>> ended; // what run() returned

  private:
    io::Task<void> run_server();
    Result<Host> make_host(const std::string& node, std::string key, v1::JoinResponse joined);
    std::unique_ptr<rpc::Client> operator_client_;
    std::unique_ptr<io::TaskGroup> tasks_;
};

// An agent's session, as far as a test needs one.
class TestAgent {
  public:
    // What it has is of the server's own epoch unless it is of another.
    TestAgent(MeshFixture& mesh, const Host& host, std::uint64_t have_index = 0,
              std::optional<std::uint64_t> epoch = {}, WallTime epoch_since = 0);
    ~TestAgent();

    void say(v1::AgentMessage message);
    void register_instances(const std::vector<model::Instance>& instances);
    void enforce(std::uint64_t index);
    // Reads until `done` of the messages read; false: the stream ended or was silent for too long.
    bool read_until(const std::function<bool()>& done);
    // Follows the mesh until it has this index.
    bool follow_to(std::uint64_t index);
    // The agent stops, and says so.
    void leave();
    // The agent vanishes: nothing more is sent, the connection is gone.
    void vanish();

    model::SnapshotBuilder mesh_state;
    std::uint64_t complete_index = 0; // of the last consistent state
    int resets = 0;
    int batches = 0;
    std::optional<std::uint64_t> registered;
    std::optional<std::string> refused;
    int heartbeats = 0;
    std::optional<Error> broken;

  private:
    void take(const v1::ServerMessage& message);
    MeshFixture& mesh_;
    std::string node_;
    std::unique_ptr<rpc::Client> client_;
    std::unique_ptr<rpc::MessageStream> stream_;
};

model::Instance make_instance(const std::string& node, const std::string& service,
                              std::uint16_t port = 8080);
model::Service make_service(const std::string& name);
model::Policy make_policy(const std::string& name, const std::string& service);

} // namespace hawser::server::test
