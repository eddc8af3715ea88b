// What an agent starts from: who this host already is, or the token that will make it somebody.
// Decided once, before anything is opened, so that a host without either is told so at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/identity.h"
#include "agent/state_dir.h"
#include "base/ip.h"
#include "base/random.h"
#include "base/result.h"
#include "config/agent_config.h"
#include "io/loop.h"

namespace hawser::agent {

struct Enrolment {
    std::string node;                     // this host's name in the mesh
    std::optional<NodeIdentity> identity; // valid or expired; none: the token is to be used first
    std::string token;                    // text of join_token_file if it is to be used
    std::vector<Endpoint> servers; // the configuration's, else those it joined at, else the token's
};

// The configuration's node name must agree with the identity's and the token's. An identity that
// can't be proven counts as none. Beside one, also beside one that expired, a token that this host
// has not joined with yet is used, too: it was put there for something. A folder that is another
// machine's is emptied first.
[[nodiscard]] Result<Enrolment> find_enrolment(const config::AgentConfig& config,
                                               const StateDir& state);

// What is in join_token_file, if it is for this node and this host has not joined with it yet.
[[nodiscard]] std::string fresh_token(const config::AgentConfig& config, const StateDir& state,
                                      const std::string& node);

// Joins with the token. Servers that can't be reached are tried for ever, with a
// line in the log; anything else that fails is final. Arguments outlive the task.
[[nodiscard]] io::Task<Result<NodeIdentity>> enrol(const Enrolment& enrolment,
                                                   const StateDir& state,
                                                   const std::string& machine_id_file,
                                                   Random& random);

} // namespace hawser::agent
