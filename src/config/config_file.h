// Reading a configuration file's text, bounded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/decoder.h"

namespace hawser::config {

// The file's text; a larger one than limits::config_file_bytes is cut one byte later, so that
// parse_toml refuses it.
[[nodiscard]] Result<std::string> read_config_file(const std::string& path);

// The *.toml of a folder in name order, without hidden ones; none when there is no such folder.
[[nodiscard]] Result<std::vector<std::string>> list_config_files(const std::string& folder);

// The node name when a file does not give one: the host's name up to its first dot, lower case.
[[nodiscard]] Result<std::string> default_node_name();

// An absolute path, as every path of a daemon's configuration must be: its working directory is
// nobody's business.
[[nodiscard]] Result<void> check_path(const std::string& path);
// The same for a Unix socket, whose path the kernel bounds.
[[nodiscard]] Result<void> check_socket_path(const std::string& path);
// An endpoint that others are told to dial: an address and a port.
[[nodiscard]] bool is_dialable(const Endpoint& endpoint);

// [log], the same for both daemons.
void read_log(Table& file, std::string& level, std::string& format);

} // namespace hawser::config
