// Messages in words, for `sim --seed N --story`.
#pragma once

#include <string>

#include "raft/message.h"

namespace hawser::raft::sim {

[[nodiscard]] std::string describe(const Message& message);

} // namespace hawser::raft::sim
