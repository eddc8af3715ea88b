// Resource files (`hawser apply -f`): [[service]] and [[policy]] tables ↔ model resources.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/resources.h"

namespace hawser::config {

struct ResourceFile {
    std::vector<model::Service> services;
    std::vector<model::Policy> policies;
};
// Duplicate names, unknown keys, wrong types and invalid values are errors with their place.
[[nodiscard]] Result<ResourceFile> parse_resources(const std::string& text,
                                                   const std::string& name);

// What kind of file a text is, for `hawser validate FILE…`: decided by the keys it holds.
enum class FileKind { agent, server, resources };
[[nodiscard]] Result<FileKind> detect_file_kind(const std::string& text, const std::string& name);

[[nodiscard]] std::string to_toml(const model::Service& service);
[[nodiscard]] std::string to_toml(const model::Policy& policy);

} // namespace hawser::config
