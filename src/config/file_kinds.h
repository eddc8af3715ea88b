// The top-level keys of each kind of file, as its own reader asks for them: what
// detect_file_kind decides by.
#pragma once

#include <string_view>
#include <vector>

namespace hawser::config {

[[nodiscard]] std::vector<std::string_view> agent_keys();
[[nodiscard]] std::vector<std::string_view> agent_service_keys(); // of its [[service]]
[[nodiscard]] std::vector<std::string_view> server_keys();
[[nodiscard]] std::vector<std::string_view> resource_keys();
[[nodiscard]] std::vector<std::string_view> resource_service_keys();

} // namespace hawser::config
