// Rows of one kind as a table: what tells them apart at a glance. All of a row: -o json.
#pragma once

#include <vector>

#include "console.h"
#include "model/row.h"

namespace hawser::cmd {

[[nodiscard]] TextTable table_of(const std::vector<model::Change>& rows);

} // namespace hawser::cmd
