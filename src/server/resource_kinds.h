// Which kinds of rows may be read through the API.
#pragma once

#include <string>

#include "base/result.h"
#include "model/row.h"

namespace hawser::server {

// Tokens are not resources: even their hashes stay here. History has a method of its own.
[[nodiscard]] Result<model::Kind> readable_kind(const std::string& text);

} // namespace hawser::server
