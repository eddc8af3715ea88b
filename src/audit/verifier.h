// Whether lines are one unbroken chain of records, from the first that is kept to where the
// registry says that the log had come. Pure: lines in, the first thing that is wrong out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "audit/record.h"

namespace hawser::audit {

class Verifier {
  public:
    // `known`: how far the log had come as others know it.
    explicit Verifier(std::optional<Head> known = {}) : known_(std::move(known)) {}
    // Takes a break as the first record: what was before it is known to be damaged.
    static Verifier after_break(std::optional<Head> known);

    // The next line, without its end. What is wrong with it; nothing: it follows the one before.
    // After something was wrong, no more lines are taken.
    [[nodiscard]] std::optional<std::string> take(std::string_view line);
    // After the last line: what is missing.
    [[nodiscard]] std::optional<std::string> finish() const;

    [[nodiscard]] std::uint64_t first() const { return first_; } // 0: no line was taken
    [[nodiscard]] const Head& head() const { return head_; }
    [[nodiscard]] const std::string& server() const { return server_; }
    // The number of the record that was compared with what is known; 0: none.
    [[nodiscard]] std::uint64_t compared() const { return compared_; }

  private:
    [[nodiscard]] std::optional<std::string> place(const Record& record) const;

    std::optional<Head> known_;
    bool break_expected_ = false;
    std::uint64_t first_ = 0;
    std::uint64_t dropped_ = 0; // by what the log says
    std::uint64_t compared_ = 0;
    Head head_;
    std::string server_;
};

} // namespace hawser::audit
