// Every write there is. A command is what the Raft log holds; applying it is deterministic: it
// carries its own time and randomness, and refers to nothing outside the registry's state.
#pragma once

#include <cstdint>
#include <optional>
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
    std::optional<Authority> authority{}; // since level 3
};

// A resource must be as its author saw it: last changed at `index`, or not there if that is 0.
struct Condition {
    Kind kind{};
    std::string name;
    std::uint64_t index = 0;
};

// `hawser apply`: all of it or nothing, one index. VIPs in `services` are ignored: the registry
// allocates them.
struct ApplyResources {
    std::vector<Service> services;
    std::vector<Policy> policies;
    std::vector<Condition> conditions;
};

struct DeleteResource {
    Kind kind{}; // service, policy or node; since level 3 quarantine, which that ends
    std::string name;
    std::uint64_t if_index = 0; // 0: whatever it is
};

// `hawser rollback`: resources are again as they were right after log entry `index`.
struct Rollback {
    std::uint64_t index = 0;
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
    std::string key{}; // SHA-256 of the joining host's public key
};

// A new member proved that it has the token's secret: the token is used up, its row is there. It
// takes part in raft only once the leader has added it there.
struct JoinServer {
    std::string token_id;
    Server server;
    WallTime now = 0;
    std::string key{}; // SHA-256 of a secret of its own; since level 2
};

// A member as it now is: the first one, or after an upgrade or a move to other addresses.
struct PutServer {
    Server server;
};

// Its id is no member of raft's configuration any more.
struct RemoveServer {
    std::uint64_t id = 0;
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

// Another set of certificates, without keys: what level 3 has SetAuthority for.
struct SetTrustDomain {
    TrustDomain domain;
};

// Makes the authority what it is from now on, if it was last changed at `if_index` (0: there is
// none yet), and the trust domain name its certificates. Since level 3, as all that follow.
struct SetAuthority {
    Authority authority;
    std::uint64_t if_index = 0;
};

struct PutQuarantine {
    Quarantine quarantine;
};

struct CreateOperatorToken {
    OperatorToken token;
};

struct RevokeOperatorToken {
    std::string id;
};

// A new secret for a token that stays what it is.
struct RotateOperatorToken {
    std::string id;
    std::string secret_hash;
    WallTime previous_until = 0; // the one before is good until then
};

struct PutAuditHead {
    AuditHead head;
};

using Command =
    std::variant<InitTrust, ApplyResources, DeleteResource, CreateJoinToken, RevokeJoinToken,
                 JoinNode, SyncNode, SetNodeAlive, SetTrustDomain, JoinServer, PutServer,
                 RemoveServer, Rollback, SetAuthority, PutQuarantine, CreateOperatorToken,
                 RevokeOperatorToken, RotateOperatorToken, PutAuditHead>;

// Who asked, for history: "operator:abcd", "node:web-1", "uid:0", "server:s1"; and from where.
struct CommandEnvelope {
    Command command;
    std::string actor;
    WallTime proposed_at = 0;
    std::string source{}; // "10.0.0.9:53122"; empty: a server's own doing
};

// Servers of two versions must be able to run side by side, and all must make the same of every
// entry. So what an entry can say has levels: a command, or a field of one, or a new rule for
// applying it, belongs to the level with which it came. A server proposes only what all servers
// know (registry/levels.h) and stops at an entry that it does not.
inline constexpr std::uint32_t newest_level = 3; // that this program knows
[[nodiscard]] std::uint32_t level_of(const Command& command);

[[nodiscard]] std::string encode(const CommandEnvelope& envelope);
// `unimplemented`, with the level or the command's number, is an entry of a newer program.
[[nodiscard]] Result<CommandEnvelope> decode_command(std::string_view bytes);

} // namespace hawser::model
