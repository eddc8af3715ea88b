// Files as a daemon must treat them: replaced whole or not at all, read with a limit, state
// folders private. And what a host says about itself. Blocking; cold paths.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser::host {

// Writes a temporary file beside `path`, syncs it, renames it over `path`, syncs the folder:
// after a crash there is the old content or the new.
[[nodiscard]] Result<void> write_file(const std::string& path, std::string_view content,
                                      mode_t mode = 0600);
// Fails when the file is longer than `limit`, or not a regular file.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit);
// Removes a file; fine if there is none.
[[nodiscard]] Result<void> remove_file(const std::string& path);
// Makes the folder and its parents (the parents 0755); an existing one must belong to this user
// (or root) and is set to `mode`.
[[nodiscard]] Result<void> ensure_directory(const std::string& path, mode_t mode = 0700);

// For programs that root runs on the folder of a daemon's own user (`hawser init`, `join`): goes on
// with that user's rights, so that what is written belongs to the daemon. Nothing to do for others,
// and where there is no folder yet. For good, and for the whole process.
[[nodiscard]] Result<void> act_as_owner(const std::string& folder);

struct MachineFacts {
    std::string hostname;         // its first label, lower case: fit for a node name
    std::string kernel;           // "6.1.0-28-amd64"
    std::string operating_system; // PRETTY_NAME of os-release, may be empty
    std::uint32_t processors = 1; // this process may use
    std::uint64_t memory_bytes = 0;
};
[[nodiscard]] MachineFacts machine_facts();

} // namespace hawser::host
