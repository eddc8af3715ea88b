// What joining keeps in the agent's folder besides the identity, each a small text file:
//
//   joined      the token that made this host who it is (its id), and the servers it was asked at
//   join.key    while an answer is awaited: the token's id, and the key that is to be certified
//
// A token works once, but a server repeats its answer for the same key: so the key is on disk
// before it is asked with, and an answer that was lost costs nothing. Blocking; control loop only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/state_dir.h"
#include "base/ip.h"
#include "base/result.h"
#include "tls/secret.h"

namespace hawser::agent {

struct JoinRecord {
    std::string token_id; // empty: never joined, or not known with which token
    std::vector<Endpoint> servers;
};
// Empty when there is none, or none that can be read.
[[nodiscard]] JoinRecord read_joined(const StateDir& state);
[[nodiscard]] Result<void> write_joined(const StateDir& state, const JoinRecord& record);

[[nodiscard]] bool awaits_answer(const StateDir& state, std::string_view token_id);
// The key (PEM) to ask with: that of an earlier try with this token, else a new one, stored.
[[nodiscard]] Result<tls::SecretText> join_key(const StateDir& state, std::string_view token_id);
[[nodiscard]] Result<void> forget_join_key(const StateDir& state);

} // namespace hawser::agent
