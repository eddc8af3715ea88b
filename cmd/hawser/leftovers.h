// What an agent that is gone may have left in the kernel, for commands that found nobody to ask.
#pragma once

#include "base/result.h"

namespace hawser::cmd {

// Why the agent could not be asked. If it does not run and there are kernel rules all the same, a
// line on stderr says so.
void warn_of_leftovers(const Error& why_not_asked);

} // namespace hawser::cmd
