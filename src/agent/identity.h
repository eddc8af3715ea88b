// Who this host is in the mesh: its certificate, its key and the roots it trusts, as joining left
// them on disk. And the proof that a key, a chain and a trust bundle belong together, made the
// only way that counts: by a TLS handshake with oneself, in memory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/state_dir.h"
#include "base/result.h"
#include "base/units.h"
#include "model/identity.h"
#include "tls/credentials.h"

namespace hawser::agent {

// Both ends of agents' tunnels, and the control protocol.
[[nodiscard]] std::vector<std::string> mesh_alpn();

// Key pairs move; where one is needed twice, it is said aloud.
[[nodiscard]] tls::KeyPair copy_of(const tls::KeyPair& pair);

struct NodeIdentity {
    model::Identity id; // spiffe://<trust domain>/node/<node>
    tls::KeyPair pair;
    std::vector<std::string> roots; // DER
    WallTime not_before = 0;
    WallTime not_after = 0;
};

// Nothing: this host has not joined. Damaged files are an error that names the file.
[[nodiscard]] Result<std::optional<NodeIdentity>> load_identity(const StateDir& state);
// In an order that a crash in between leaves who it was, who it is now, or, if that is somebody
// else, nobody: who may join. A host that
// becomes somebody else forgets its services' identities and the mesh it knew.
[[nodiscard]] Result<void> store_identity(const StateDir& state, const NodeIdentity& identity);

// What a chain (PEM) says about its leaf; refuses a leaf without identity.
struct LeafFacts {
    model::Identity id;
    WallTime not_before = 0;
    WallTime not_after = 0;
};
[[nodiscard]] Result<LeafFacts> describe_leaf(const std::string& chain_pem);

// Credentials of which peers of the same mesh would accept that they are `id`: the key is the
// leaf's, the chain leads to one of the roots, the time is within its validity.
[[nodiscard]] Result<tls::CredentialsPtr> proven_credentials(const model::Identity& id,
                                                             const tls::KeyPair& pair,
                                                             const tls::TrustBundle& trust);

} // namespace hawser::agent
