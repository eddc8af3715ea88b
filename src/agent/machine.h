// Whether the agent's folder belongs to the machine it is on. A VM that was cloned brings its
// original's keys along: two machines would be one node, and answer for each other. So the folder
// keeps a mark of the machine, made of /etc/machine-id, which every machine has of its own; what it
// keeps is a hash, as the id itself is nobody else's business (machine-id(5)).
//
// A folder whose mark is another machine's is emptied, and this host joins as it would without.
// A backup put back on its own machine is that machine's. Who joined while the machine had no id
// yet, as in an image that is still being built, is not whoever boots it. Where there is no id now,
// nothing can be told, and nothing is done. Blocking; control loop only.
#pragma once

#include <string>

#include "agent/state_dir.h"
#include "base/result.h"

namespace hawser::agent {

// Of the machine with this id file; of none if the file is not there, or says that the id is still
// to be made.
[[nodiscard]] std::string machine_mark(const std::string& id_file);

[[nodiscard]] bool is_of_another_machine(const StateDir& state, const std::string& id_file);

// For the holder of the folder. True: it was another machine's, and is empty now. A folder without
// a mark is this machine's from now on.
[[nodiscard]] Result<bool> settle_machine(const StateDir& state, const std::string& id_file);

} // namespace hawser::agent
