// The nouns of the mesh: what the registry holds. Plain values; every field is valid once it
// passed check() (validation.h), wherever it came from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/limits.h"
#include "base/units.h"
#include "model/identity.h"

namespace hawser::model {

enum class Protocol : std::uint8_t { tcp, http, grpc };
enum class Balance : std::uint8_t { least_request, round_robin, random };
enum class Effect : std::uint8_t { deny, allow };
enum class PolicyMode : std::uint8_t { enforce, shadow };
enum class Health : std::uint8_t { passing, warning, critical };

// A logical destination. Created by `apply`, or with these defaults by the first instance.
struct Service {
    std::string name;
    Protocol protocol = Protocol::tcp;
    Balance balance = Balance::least_request;
    Effect default_policy = Effect::deny;
    Duration connect_timeout{5'000};
    Duration idle_timeout{3'600'000};     // zero: never
    std::uint32_t max_connections = 1024; // per calling agent
    IpAddress vip4;                       // allocated by the registry, stable, never from a file
    IpAddress vip6;

    bool operator==(const Service&) const = default;
};

// One listening process of a service on one node. Identified by (node, service, port).
struct Instance {
    std::string node;
    std::string service;
    std::uint16_t port = 0;   // on the node, where its agent dials it
    std::uint32_t weight = 1; // 0: gets no new connections
    std::map<std::string, std::string> labels;
    Health health = Health::critical;
    std::string health_reason; // of the last check that is not passing; for people

    bool operator==(const Instance&) const = default;
    // "web-1/api/8080": the row key.
    [[nodiscard]] std::string key() const;
};

// A host with an agent.
struct Node {
    std::string name;
    std::string zone;                          // "eu-west-1/a"; may be empty
    Endpoint tunnel;                           // where other agents reach its tunnel listener
    std::string version;                       // the agent's
    std::vector<std::string> allowed_services; // what its join token let it speak for
    bool alive = false;                        // its agent's session; false takes its instances out
    WallTime joined_at = 0; // in its certificates: those of a deleted node of this name differ

    bool operator==(const Node&) const = default;
};

// A member of the raft cluster. The log knows it by its id, which it chose once and keeps; people
// and certificates know it by its name.
struct Server {
    std::uint64_t id = 0; // raft's
    std::string name;
    std::vector<Endpoint> addresses; // where agents, operators and other servers reach it
    std::string version;             // of its program
    std::uint32_t level = 0;         // the newest commands it can apply; see command.h
    WallTime joined_at = 0;
    bool leaving = false; // to be removed: for good, and from raft before its row goes

    bool operator==(const Server&) const = default;
};

// Who may call a service. Deny always wins over allow; without a match the service's
// default_policy decides.
struct Policy {
    std::string name;
    std::string service;
    Effect action = Effect::allow;
    PolicyMode mode = PolicyMode::enforce;
    std::vector<std::string> from; // calling services; "*" is any service of the mesh

    bool operator==(const Policy&) const = default;
};

// Good for one join, of the node or of the server that it names.
struct JoinToken {
    std::string id;          // public part
    std::string secret_hash; // SHA-256 of the secret, 32 bytes
    std::string node;
    std::vector<std::string> services;
    std::string server; // then it is for no node
    WallTime expires_at = 0;
    WallTime used_at = 0; // 0: not yet
    // SHA-256 of the public key (of a node) or of the secret (of a server) that came with its use:
    // who has that may ask for the answer again. Empty: nobody may.
    std::string used_key;

    bool operator==(const JoinToken&) const = default;
};

// What each may do includes what those before it may; a registrar writes what belongs to its
// services only.
enum class Role : std::uint8_t { reader, registrar, operator_, admin };

struct OperatorToken {
    std::string id;
    std::string secret_hash; // SHA-256, 32 bytes
    Role role = Role::admin;
    WallTime created_at = 0;
    std::string name;           // for people; may be empty
    WallTime expires_at = 0;    // 0: never
    std::string service_prefix; // of a registrar: the services it may speak for begin with it
    // The secret before the last rotation may be used until then.
    std::string previous_hash; // empty: none
    WallTime previous_until = 0;

    bool operator==(const OperatorToken&) const = default;
};

// The one row that says whose mesh this is.
struct TrustDomain {
    std::string name = "hawser.local";
    std::string dns_domain = "mesh";
    Cidr vip4;                              // 240.0.0.0/8
    Cidr vip6;                              // fd68:6177::/64
    std::vector<std::string> roots;         // DER; more than one while a rotation runs
    std::vector<std::string> intermediates; // DER; the newest first
    // Of this history of the registry. One that goes on from an older copy has another: whatever
    // was heard of the one before, at whatever index, may be no part of it.
    std::uint64_t epoch = 0;
    WallTime epoch_since = 0; // of two epochs the later one goes on; 0: the mesh's first

    bool operator==(const TrustDomain&) const = default;
};

// A root and what signs under it. Certificates are DER; keys are sealed (ca/seal.h) with a key that
// is no part of the registry.
struct Signer {
    std::string root;
    std::vector<std::string> chain; // the one that signs first, without the root
    std::string root_key;           // empty: it is kept elsewhere
    std::string key;                // of the first of the chain

    bool operator==(const Signer&) const = default;
};

// Where a change of the root stands. First everybody learns the next root (publishing), then it
// signs; the last one is trusted until nothing that it signed is valid any more (retiring).
enum class RotationPhase : std::uint8_t { none, publishing, retiring };

// The half of the certificate authority that only servers know.
struct Authority {
    Signer active;               // signs
    std::optional<Signer> other; // publishing: the next one; retiring: the last one
    RotationPhase phase = RotationPhase::none;
    WallTime phase_since = 0;
    WallTime other_needed_until = 0; // retiring: nothing that it signed is valid for longer
    std::string sealing_key_id;      // tells which key seals the others

    bool operator==(const Authority&) const = default;
};

// Cut off until it is lifted: a node and all that runs there, or a service wherever it runs.
struct Quarantine {
    IdentityKind subject_kind = IdentityKind::node; // or service
    std::string subject;
    std::string reason; // for people
    WallTime since = 0;
    std::string by;

    bool operator==(const Quarantine&) const = default;
    [[nodiscard]] std::string key() const; // "node/web-1", "svc/api"
};

// How far a server's audit log reached when it last said so: who shortens or rewrites the log has
// to change the registry, too.
struct AuditHead {
    std::string server;
    std::uint64_t sequence = 0; // of the last record
    std::string hash;           // of it, 32 bytes
    WallTime at = 0;

    bool operator==(const AuditHead&) const = default;
};

enum class Verb : std::uint8_t { created = 1, changed = 2, deleted = 3 };

// One change of one row, as it is remembered: what became of it, when, by whom and from where.
// The values are a resource's bytes, empty where there was none; secrets are never kept here.
struct HistoryEntry {
    std::uint64_t index = 0; // of the log entry
    std::uint8_t kind = 0;   // of the row that changed, see row.h
    std::string key;
    Verb verb = Verb::changed;
    WallTime at = 0;
    std::string actor;          // "operator:1f2e…", "uid:0", "node:web-1"
    std::string source;         // "10.0.0.9:53122"; empty: this server's own doing
    std::uint64_t previous = 0; // index of the change before it; 0: none is known
    std::string before;
    std::string after;

    bool operator==(const HistoryEntry&) const = default;
};

// What everybody may see of the authority: `domain` then names its roots and intermediates.
void publish(const Authority& authority, TrustDomain& domain);

// `any_source` in Policy::from.
inline constexpr std::string_view any_source = "*";

[[nodiscard]] std::string_view to_string(Protocol value);
[[nodiscard]] std::string_view to_string(Balance value);
[[nodiscard]] std::string_view to_string(Effect value);
[[nodiscard]] std::string_view to_string(PolicyMode value);
[[nodiscard]] std::string_view to_string(Health value);
[[nodiscard]] std::string_view to_string(Role value);
[[nodiscard]] std::string_view to_string(RotationPhase value);
[[nodiscard]] std::string_view to_string(Verb value);

} // namespace hawser::model
