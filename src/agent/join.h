// Enrolling this host: `hawser join`, and the agent's first start with join_token_file.
//
// The token is the credential, its pin is the trust: the private key is made here and never
// leaves; the server is believed only if its chain ends in the pinned root; what it returns is
// believed only after it proved to be this key's certificate, for this node, under that root.
#pragma once

#include <string>
#include <vector>

#include "agent/identity.h"
#include "agent/state_dir.h"
#include "base/ip.h"
#include "base/result.h"
#include "ca/tokens.h"
#include "io/loop.h"

namespace hawser::agent {

struct JoinOptions {
    std::string token;             // text, surrounding white space is ignored
    std::vector<Endpoint> servers; // instead of the token's
    std::string data_dir;
    std::string node; // must be the token's; empty: whatever the token says
};

struct JoinResult {
    model::Identity node;
    bool already = false;              // had joined before; the token was not used
    WallTime expires_at = 0;           // of the node's certificate
    std::vector<std::string> services; // that the token allows; unknown when `already`
    std::string server;                // that answered; empty when `already`
};

// White space around it is ignored.
[[nodiscard]] Result<ca::JoinTokenText> read_token(const std::string& text);

// Idempotent: a host that has a valid identity of the token's mesh and node is left alone. Codes:
// invalid (the token's text), failed_precondition (expired, used, other node, other mesh),
// permission_denied or unauthenticated (what the server said), unavailable (none reached; the
// message has the reason of each).
[[nodiscard]] io::Task<Result<JoinResult>> join(JoinOptions options);
// Where the state folder is held already.
[[nodiscard]] io::Task<Result<JoinResult>> join(JoinOptions options, const StateDir& state);

} // namespace hawser::agent
