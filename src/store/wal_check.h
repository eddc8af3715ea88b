// Looks for damage in SQLite's write-ahead log before SQLite does.
//
// SQLite reads that file up to the first frame that fails its checksum and takes the rest for what
// a crash left of an unfinished transaction. If it is a bit that flipped, transactions are dropped
// that were promised to survive, silently. The two can be told apart: a transaction only begins
// after the one before it was synced. Damage that transactions follow is no crash's doing.
// (A flip in the last transaction cannot be told from a torn write.)
#pragma once

#include <string>

#include "base/result.h"

namespace hawser::store {

// Only for databases whose commits are synced. No file is no damage.
[[nodiscard]] Result<void> check_write_ahead_log(const std::string& path);

} // namespace hawser::store
