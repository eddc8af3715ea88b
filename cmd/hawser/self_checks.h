// What `hawser check` looks at: from what the daemons tell of themselves to a list of checks, each
// failed one with its cause and what mends it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "model/proto/control.pb.h"
#include "model/proto/trust.pb.h"

namespace hawser::cmd {

struct SelfCheck {
    std::string name;
    bool ok = true;
    std::string detail; // of one that passed; may be empty
    std::string cause, fix;
};
using SelfChecks = std::vector<SelfCheck>;

void add_agent_checks(SelfChecks& checks, const v1::AgentStatusResponse& status);
void add_server_checks(SelfChecks& checks, const v1::ServerStatusResponse& status);
// Nothing: the agent could not tell.
void add_rules_check(SelfChecks& checks, const v1::InterceptStatusResponse* rules);
// `within`: what lasts no longer than that fails, too. A certificate that is renewed by itself only
// if it should have been by now: it may well never last that long.
void add_certificate_checks(SelfChecks& checks, const v1::CertificatesResponse& certificates,
                            std::optional<Duration> within);

} // namespace hawser::cmd
