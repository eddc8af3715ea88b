// What each command does to a draft; one function a command, gathered by what they are about.
// All are deterministic: state and command in, changes or one clear refusal out.
#pragma once

#include "base/result.h"
#include "model/command.h"
#include "registry/draft.h"

namespace hawser::registry {

// trust_commands.cpp
[[nodiscard]] Result<void> carry_out(const model::InitTrust& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::SetTrustDomain& command, Draft& draft);

// resource_commands.cpp
[[nodiscard]] Result<void> carry_out(const model::ApplyResources& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::DeleteResource& command, Draft& draft);

// token_commands.cpp; `now` is the time of the proposal
[[nodiscard]] Result<void> carry_out(const model::CreateJoinToken& command, WallTime now,
                                     Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::RevokeJoinToken& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::JoinNode& command, Draft& draft);

// node_commands.cpp
[[nodiscard]] Result<void> carry_out(const model::SyncNode& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::SetNodeAlive& command, Draft& draft);

} // namespace hawser::registry
