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
    std::optional<NodeIdentity> identity; // valid now; none: the token is to be used
    std::string token;                    // text of join_token_file; may be empty with an identity
    std::vector<Endpoint> servers;        // the configuration's, else the token's
};

// The configuration's node name must agree with the identity's and the token's. An identity that
// expired or can't be proven counts as none.
[[nodiscard]] Result<Enrolment> find_enrolment(const config::AgentConfig& config,
                                               const StateDir& state);

// Joins, if there is no identity yet. Servers that can't be reached are tried for ever, with a
// line in the log; anything else that fails is final. Arguments outlive the task.
[[nodiscard]] io::Task<Result<NodeIdentity>> enrol(const Enrolment& enrolment,
                                                   const StateDir& state, Random& random);

} // namespace hawser::agent
