// Policies name services and callers, which may come later or be misspelt: nothing fails, but
// somebody should be told. Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/resources.h"

namespace hawser::cmd {

struct KnownNames {
    std::set<std::string> services;
    std::set<std::string> callers; // services, and what hosts may speak as
};

struct UnknownName {
    std::string policy;
    std::string name;
    bool caller = false; // in `from`; otherwise the service
    std::string nearest; // a known name it may be a slip of; "" if none is near

    // "policy 'p': no service 'apy' is known yet; did you mean 'api'?"
    [[nodiscard]] std::string text() const;
};

[[nodiscard]] std::vector<UnknownName> unknown_names(const std::vector<model::Policy>& policies,
                                                     const KnownNames& known);

} // namespace hawser::cmd
