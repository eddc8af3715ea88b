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
    std::optional<NodeIdentity> identity; // valid now; none: the token is to be used first
    std::string token;                    // text of join_token_file if it is to be used
    std::vector<Endpoint> servers; // the configuration's, else those it joined at, else the token's
};

// The configuration's node name must agree with the identity's and the token's. An identity that
// expired or can't be proven counts as none. Beside a valid one, a token that this host has not
// joined with yet is used, too: it was put there for something.
[[nodiscard]] Result<Enrolment> find_enrolment(const config::AgentConfig& config,
                                               const StateDir& state);

// Joins with the token. Servers that can't be reached are tried for ever, with a
// line in the log; anything else that fails is final. Arguments outlive the task.
[[nodiscard]] io::Task<Result<NodeIdentity>> enrol(const Enrolment& enrolment,
                                                   const StateDir& state, Random& random);

} // namespace hawser::agent
