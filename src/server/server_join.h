// A further server joins the cluster: `hawser server join`, or the first start with
// join_token_file.
//
// Its raft id is made here, once, and stored before anything is asked, so that an attempt that
// broke off is gone on with by the next; and so is a secret (DATA_DIR/join-secret), for the id is
// public and the token may leak: who asks again shows both. Everything else comes from a member,
// over a connection whose other end proved to have the root that the token pins: the trust domain,
// the authority's keys, who the others are. It is stored last of all, as DATA_DIR/welcome: with
// that file a server has joined.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "ca/tokens.h"
#include "config/server_config.h"
#include "io/loop.h"

namespace hawser::server {

struct ServerJoinOptions {
    config::ServerConfig config;
    std::string token;             // text; white space around it is ignored
    std::vector<Endpoint> servers; // to ask, instead of the token's
    std::string version;           // of this program
};
struct ServerJoinResult {
    std::string server;
    std::string trust_domain;
    bool already = false;            // had joined before; the token was not used
    std::vector<std::string> others; // their names
};
// Codes as agent/join.h: unavailable is worth another try, everything else is final.
[[nodiscard]] io::Task<Result<ServerJoinResult>> join_cluster(ServerJoinOptions options);

// For a start with join_token_file: unless this server is of a cluster already, joins, trying again
// while no server answers and `stopping` does not say that it shall end.
[[nodiscard]] io::Task<Result<void>> join_before_start(config::ServerConfig config,
                                                       std::string version,
                                                       std::function<bool()> stopping);

} // namespace hawser::server
