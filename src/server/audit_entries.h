// What the audit log says of a command, of a certificate and of an operator's act. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/record.h"
#include "base/result.h"
#include "model/command.h"
#include "registry/tables.h"

namespace hawser::server {

// Nothing for what is observed rather than done, and comes by itself all the time: who is alive,
// how healthy it is, how far audit logs have come. Never a secret nor the hash of one.
[[nodiscard]] std::optional<audit::Entry> audit_entry(const model::CommandEnvelope& envelope,
                                                      const registry::Tables& before);

// That a certificate (the first of the PEM chain) is about to be handed out.
[[nodiscard]] Result<audit::Entry> certificate_entry(std::string_view chain_pem);

// What became of record `of`.
[[nodiscard]] audit::Entry result_entry(std::uint64_t of, std::uint64_t index,
                                        const std::optional<Error>& error);

// How far the audit log of this server had come as the registry knows it.
[[nodiscard]] std::optional<audit::Head> known_audit_head(const registry::Tables& tables,
                                                          const std::string& server);

} // namespace hawser::server
