// Every write there is. A command is what the Raft log holds; applying it is deterministic: it
// carries its own time and randomness, and refers to nothing outside the registry's state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/resources.h"
#include "model/row.h"

namespace hawser::model {

// `hawser init`: the first entry of a new mesh.
struct InitTrust {
    TrustDomain domain;
    OperatorToken first_operator;
};

// `hawser apply`: all of it or nothing, one index. VIPs in `services` are ignored: the registry
// allocates them.
struct ApplyResources {
    std::vector<Service> services;
    std::vector<Policy> policies;
};

struct DeleteResource {
    Kind kind{}; // service, policy or node
    std::string name;
};

struct CreateJoinToken {
    JoinToken token;
};

struct RevokeJoinToken {
    std::string id;
};

// A host proved that it has the token's secret: the token is used up, the node exists.
struct JoinNode {
    std::string token_id;
    std::string node;
    WallTime now = 0;
};

// An agent's registration: everything it now has, so that repeating it changes nothing. Services
// that do not exist yet are created with defaults; instances it no longer lists are removed.
struct SyncNode {
    std::string node;
    std::string zone;
    Endpoint tunnel;
    std::string version;
    std::vector<Instance> instances; // all of this node
};

// The leader found the agent's session ended (or back, for the same registration).
struct SetNodeAlive {
    std::string node;
    bool alive = false;
};

// A new intermediate or root set.
struct SetTrustDomain {
    TrustDomain domain;
};

using Command = std::variant<InitTrust, ApplyResources, DeleteResource, CreateJoinToken,
                             RevokeJoinToken, JoinNode, SyncNode, SetNodeAlive, SetTrustDomain>;

// Who asked, for history: "operator:abcd", "node:web-1", "uid:0", "server:s1".
struct CommandEnvelope {
    Command command;
    std::string actor;
    WallTime proposed_at = 0;
};

[[nodiscard]] std::string encode(const CommandEnvelope& envelope);
// Unknown command types and versions are refused: a server that cannot apply an entry must stop.
[[nodiscard]] Result<CommandEnvelope> decode_command(std::string_view bytes);

} // namespace hawser::model
