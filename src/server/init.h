// `hawser init`: makes the first server of a new mesh, offline. Root and intermediate certificate,
// an operator token that is shown once, and the first entries of the log, written the way every
// later write is: propose, persist, apply.
#pragma once

#include <string>

#include "base/result.h"
#include "config/server_config.h"

namespace hawser::server {

struct InitResult {
    std::string operator_token; // the only time it is seen
    std::string trust_domain;
    std::string root_sha256; // hex: to compare with what agents pin
    std::string data_dir;
};

// Refuses a data directory that has a trust domain, or a server running on it. After a crash half
// way it can be run again. Blocking; makes a loop of its own.
[[nodiscard]] Result<InitResult> init(const config::ServerConfig& config);

} // namespace hawser::server
