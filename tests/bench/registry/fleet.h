// Hosts of a mesh, as far as servers can tell: nodes that joined with a token and have a
// certificate each, and sessions in which they register instances. No data plane.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"
#include "model/proto/control.pb.h"
#include "rpc/client.h"
#include "system.h"

namespace hawser::bench {

struct FleetOptions {
    std::vector<Endpoint> endpoints;
    std::size_t services = 10'000;
    std::size_t instances = 10; // of each
    std::size_t nodes = 1'000;  // that share them evenly, and one more, whose instances change

    [[nodiscard]] std::size_t instances_per_node() const { return services * instances / nodes; }
};

struct NodeIdentity {
    std::string name, chain_pem, key_pem, trust_domain;
    std::vector<std::string> roots; // DER
};

// The instances of the node, in which `reason` is the health reason of the first.
[[nodiscard]] v1::SyncNode registration(const FleetOptions& options, std::size_t node,
                                        const std::string& reason);

// Creates a token as an operator, and joins with it.
[[nodiscard]] io::Task<Result<NodeIdentity>> join_node(const System& operators, Endpoint server,
                                                       const FleetOptions& options,
                                                       std::size_t node);

// What an agent has already: a registry's rows up to an index of its history.
struct Known {
    std::uint64_t index = 0, epoch = 0;
};
// Everything, as of now.
[[nodiscard]] io::Task<Result<Known>> know_all(const System& operators, Endpoint server);

class AgentStream {
  public:
    [[nodiscard]] static io::Task<Result<AgentStream>> open(Endpoint server,
                                                            const NodeIdentity& identity,
                                                            Known known);
    [[nodiscard]] io::Task<Result<void>> send(v1::AgentMessage message);
    [[nodiscard]] io::Task<Result<v1::ServerMessage>> receive();
    // Sends the registration; the index at which the registry has it.
    [[nodiscard]] io::Task<Result<std::uint64_t>> register_node(v1::SyncNode node);

  private:
    AgentStream(std::unique_ptr<rpc::Client> client, std::unique_ptr<rpc::MessageStream> stream)
        : client_(std::move(client)), stream_(std::move(stream)) {}

    std::unique_ptr<rpc::Client> client_;
    std::unique_ptr<rpc::MessageStream> stream_;
};

// Services and instances of a whole mesh, and the identities of its nodes, for later sessions.
[[nodiscard]] io::Task<Result<std::vector<NodeIdentity>>> grow_mesh(const System& operators,
                                                                    FleetOptions options);

[[nodiscard]] Result<void> save(const std::vector<NodeIdentity>& nodes, const std::string& path);
[[nodiscard]] Result<std::vector<NodeIdentity>> load_nodes(const std::string& path);

} // namespace hawser::bench
