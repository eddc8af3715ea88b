// One record of the audit log, as a value and as the line that it is in a file.
//
//   {"seq":7,"previous":"<64 hex>","time_ms":…,"server":"s1","kind":"apply","who":"operator:1f2e…",
//    …,"hash":"<64 hex>"}
//
// One line, keys in this order and only those with a value. `hash` is the SHA-256 of every byte of
// the line before `,"hash"`, which includes the hash of the record before: whoever changes one
// record has to change all that follow. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace hawser::audit {

inline constexpr std::size_t line_bytes = 64 << 10; // the longest line; seal() stays below it
inline constexpr std::uint64_t most_records = 1'000'000'000'000'000'000; // no number is higher
inline constexpr std::size_t most_names = 64; // in one record; of more, how many there were

// What happened, as it is told. Texts are made printable and cut when they are sealed.
struct Entry {
    WallTime time = 0;
    std::string server{}; // whose log this is
    std::string kind{};   // "apply", "certificate", "result" …
    std::string who{};    // "operator:1f2e…", "uid:0", "node:web-1", "server:s1"
    std::string from{};   // "10.0.0.9:53122", "unix:uid=0"
    std::string method{}; // "/hawser.v1.Api/Apply"
    std::vector<std::string> what{};
    std::string detail{};
    std::uint64_t of = 0;    // of a result: the record that says what was to be done
    std::uint64_t index = 0; // of a result: the registry's
    std::string result{};    // "done", or why not

    bool operator==(const Entry&) const = default;
};

// What became of record `of`.
inline constexpr std::string_view kind_result = "result";
// Records up to `of` are not kept any more.
inline constexpr std::string_view kind_dropped = "dropped";
// What was there before is damaged or gone: a chain of its own begins, and `detail` says why.
inline constexpr std::string_view kind_break = "break";

// Where a chain has come to.
struct Head {
    std::uint64_t sequence = 0; // 0: before the first record
    std::string hash = std::string(32, '\0');

    bool operator==(const Head&) const = default;
};

struct Record {
    Entry entry;
    Head head;            // its own number and hash
    std::string previous; // hash, 32 bytes
};

// The line, without its end, and the chain's head after it.
struct Sealed {
    std::string line;
    Head head;
};
[[nodiscard]] Sealed seal(const Head& previous, const Entry& entry);

// Reads what seal() writes and nothing else. Does not check the hash; see verifier.h.
[[nodiscard]] Result<Record> parse(std::string_view line);
// The hash that the line ought to have. Of a line that parse() took.
[[nodiscard]] std::string hash_of(std::string_view line);

} // namespace hawser::audit
