// An audit log as a whole: whether it is what was written, and what it says. Blocking.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/files.h"
#include "audit/record.h"
#include "audit/verifier.h"

namespace hawser::audit {

struct Problem {
    std::string file;
    std::uint64_t line = 0; // from 1; 0: the file as a whole
    std::string what;
};

struct Report {
    std::uint64_t files = 0;
    std::uint64_t first = 0, last = 0; // records; 0: there are none
    Head head;                         // of the last
    std::string server;                // whose log it is
    std::uint64_t compared = 0;        // the record that the registry knows; 0: none was compared
    std::optional<Problem> problem;    // the first; nothing after it was looked at
};
// Against how far the log had come as the registry knows it, if that is known.
[[nodiscard]] Result<Report> verify(std::span<const OpenFile> files, Verifier verifier);

struct Query {
    WallTime since = 0;
    std::string who;  // its beginning: "operator:", "uid:0"
    std::string kind; // empty: any
    std::size_t most = 100;
};
struct Listing {
    std::vector<Record> records;  // the newest that fit the query, oldest first; with their results
    std::uint64_t unreadable = 0; // lines that are no records
};
[[nodiscard]] Result<Listing> list(std::span<const OpenFile> files, const Query& query);

} // namespace hawser::audit
