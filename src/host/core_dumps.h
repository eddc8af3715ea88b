// Private keys live in a daemon's memory. What reads it from outside must be root.
#pragma once

namespace hawser::host {

// For this process: no core dumps, whatever the system does with them, and no other process of the
// same user may look into it (ptrace, /proc/PID/mem). A program it starts is as before.
void forbid_core_dumps();

} // namespace hawser::host
