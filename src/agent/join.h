// Enrolling this host: `hawser join`, and the agent's start with join_token_file. Also once more,
// with a new token: after the mesh forgot this node, or to let it speak for other services.
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
    std::string machine_id_file = "/etc/machine-id";
};

struct JoinResult {
    model::Identity node;
    bool already = false;              // had joined before, and this token is used up
    bool confirmed = false;            // with `already`: a server says that this is still so
    WallTime expires_at = 0;           // of the node's certificate
    std::vector<std::string> services; // that the token allows; unknown when `already`
    std::string server;                // that answered; empty when `already`
    bool agent_told = false;           // a running agent of this host uses it from now on
};

// A node's; white space around it is ignored.
[[nodiscard]] Result<ca::JoinTokenText> read_token(const std::string& text);

// Idempotent: a host that is in the token's mesh under the token's name is left alone if the token
// is the one it joined with, or used up, and its certificate is valid. Also while an agent runs in
// the folder, which is then told; with an expired certificate, too, if the token is for the node it
// is. Codes: invalid (the token's text), already_exists (used by another, or another join is
// under way here), failed_precondition (used by a node that was deleted, other node, other mesh),
// permission_denied or unauthenticated (expired, this host was deleted, or what the server said),
// unavailable (none reached; the message has the reason of each).
[[nodiscard]] io::Task<Result<JoinResult>> join(JoinOptions options);
// For the holder of the state folder.
[[nodiscard]] io::Task<Result<JoinResult>> join(JoinOptions options, const StateDir& state);

} // namespace hawser::agent
