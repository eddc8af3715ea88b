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
[[nodiscard]] Result<void> carry_out(const model::SetAuthority& command, Draft& draft);

// access_commands.cpp
[[nodiscard]] Result<void> carry_out(const model::CreateOperatorToken& command, WallTime now,
                                     Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::RevokeOperatorToken& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::RotateOperatorToken& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::PutQuarantine& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::PutAuditHead& command, Draft& draft);

// resource_commands.cpp
[[nodiscard]] Result<void> carry_out(const model::ApplyResources& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::DeleteResource& command, Draft& draft);
[[nodiscard]] Result<void> check_policies_fit(const Draft& draft);

// rollback.cpp
[[nodiscard]] Result<void> carry_out(const model::Rollback& command, Draft& draft);

// token_commands.cpp; `now` is the time of the proposal
[[nodiscard]] Result<void> carry_out(const model::CreateJoinToken& command, WallTime now,
                                     Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::RevokeJoinToken& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::JoinNode& command, Draft& draft);

// The token is there, unused, in time, and for this node or server.
struct Joiner {
    model::Kind kind{}; // node or server
    const std::string& name;
};
[[nodiscard]] Result<const model::JoinToken*> usable_token(const std::string& id, Joiner joiner,
                                                           WallTime now, const Draft& draft);

// The answer to its join was lost: the same joiner, shown by its key, may have it again as long as
// the token lives. (For a node, deleting it ends that; see forget_keys_of.)
[[nodiscard]] bool asks_again(const std::string& id, Joiner joiner, const std::string& key,
                              WallTime now, const Draft& draft);

// A deleted node's tokens let nobody ask again for what they got.
void forget_keys_of(const std::string& node, Draft& draft);

// server_commands.cpp
[[nodiscard]] Result<void> carry_out(const model::JoinServer& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::PutServer& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::RemoveServer& command, Draft& draft);

// node_commands.cpp
[[nodiscard]] Result<void> carry_out(const model::SyncNode& command, Draft& draft);
[[nodiscard]] Result<void> carry_out(const model::SetNodeAlive& command, Draft& draft);

} // namespace hawser::registry
