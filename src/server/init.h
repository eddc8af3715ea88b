// `hawser init`: makes the first server of a new mesh, offline. Root and intermediate certificate,
// an operator token that is shown once, and the first entries of the log, written the way every
// later write is: propose, persist, apply.
#pragma once

#include <string>

#include "base/result.h"
#include "config/server_config.h"

namespace hawser::server {

struct InitResult {
    std::string operator_token;
    std::string trust_domain;
    std::string root_sha256; // hex: to compare with what agents pin
    std::string data_dir;
};

// Refuses a data directory that has a trust domain, or a server running on it. Until token_shown()
// the operator token also lies in a private file there, so that whatever goes wrong on its way to
// the operator's eyes, init can be run again: it then returns what it made before. Blocking; makes
// a loop of its own.
[[nodiscard]] Result<InitResult> init(const config::ServerConfig& config);
[[nodiscard]] Result<void> token_shown(const std::string& data_dir);

} // namespace hawser::server
