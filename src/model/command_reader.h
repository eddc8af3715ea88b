// The command inside an envelope, from its message; for command_codec.cpp alone.
#pragma once

#include "base/result.h"
#include "model/command.h"
#include "model/proto/mesh.pb.h"

namespace hawser::model {

// `unimplemented`, with the number of the command, is one that this program does not know.
[[nodiscard]] Result<Command> read_command(const v1::CommandEnvelope& message);

} // namespace hawser::model
