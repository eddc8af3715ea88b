// Files that hold keys: mode 0600, written whole or not at all, durable when written.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser::server {

// Makes the directory with mode 0700 if it is not there; its parent must be. One that is there
// stays as its owner made it: the files in it are private by themselves.
[[nodiscard]] Result<void> make_secret_directory(const std::string& path);

// Replaces the file: a crash leaves the old one or the new one.
[[nodiscard]] Result<void> write_secret_file(const std::string& path, std::string_view contents);

// Refuses a file that others may read, and one longer than any key or certificate.
[[nodiscard]] Result<std::string> read_secret_file(const std::string& path);

} // namespace hawser::server
