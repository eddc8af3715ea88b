// What a member told this server when it let it join: DATA_DIR/welcome. It counts until the
// registry reaches this server, and shows for good that it joined.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "config/server_config.h"
#include "model/proto/cluster.pb.h"
#include "model/resources.h"
#include "server/peer_calls.h"

namespace hawser::server {

// What a server knows of its cluster until the registry reaches it.
struct Welcome {
    model::TrustDomain domain;
    std::vector<model::Server> servers; // this one among them
    std::uint64_t index = 0;            // of the registry that said so
    std::optional<model::Authority> authority{};
    std::uint64_t authority_index = 0;
};
[[nodiscard]] Membership membership_of(const Welcome& welcome);
// Nothing: this server did not join; it was made by init, or is nothing yet.
[[nodiscard]] Result<std::optional<Welcome>> load_welcome(const std::string& data_dir);
[[nodiscard]] Result<Welcome> read_welcome(const v1::ClusterWelcome& message);
[[nodiscard]] Result<void> store_welcome(const std::string& data_dir,
                                         const v1::ClusterWelcome& message);

// Where others reach this server: what was configured, else the address it listens on, else the one
// this host has towards `other`, or to the world.
[[nodiscard]] std::vector<Endpoint> reachable_at(const config::ServerConfig& config,
                                                 const Endpoint& listens,
                                                 const std::optional<Endpoint>& other);

} // namespace hawser::server
