// What the clients saw, one JSON object a line, for the checkers. Times are the machine's monotonic
// clock in nanoseconds. A call whose outcome is not known has no "return": it may take effect at
// any time after it was made, or never.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "base/result.h"

namespace hawser::chaos {

enum class Operation : std::uint8_t { read, write, compare_and_set };
enum class Outcome : std::uint8_t { ok, refused, unknown };

// One call on one register: a service, whose value is a field of it and whose version is the index
// at which it was last changed.
struct Call {
    std::size_t client = 0;
    std::string key;
    Operation operation = Operation::read;
    std::int64_t value = 0;     // written, or read
    std::uint64_t if_index = 0; // compare_and_set: 0 means "does not exist"
    std::int64_t called_at = 0;
    std::int64_t returned_at = 0;
    Outcome outcome = Outcome::unknown;
    bool found = false;      // read
    std::uint64_t index = 0; // of the register, after the call
};

// What a watcher was told.
enum class Event : std::uint8_t {
    begin,    // nothing: it asks for the registers as they are
    row,      // one of them
    complete, // those were all, up to `index`
    change,   // of one
    seen,     // nothing up to `index` is missing
};

struct Told {
    std::size_t watcher = 0;
    Event event = Event::seen;
    std::uint64_t index = 0;
    std::string key{};
    std::int64_t value = 0;
};

class History {
  public:
    static Result<History> create(const std::string& path);
    History(History&& other) noexcept : file_(std::exchange(other.file_, nullptr)) {}
    History& operator=(History&&) = delete;
    ~History();

    void add(const Call& call);
    void add(const Told& told);
    [[nodiscard]] std::uint64_t changes() const { return changes_; } // of all watchers
    [[nodiscard]] std::uint64_t count(Outcome outcome) const {
        return counts_[static_cast<std::size_t>(outcome)];
    }

  private:
    explicit History(std::FILE* file) : file_(file) {}

    std::FILE* file_;
    std::uint64_t counts_[3] = {};
    std::uint64_t changes_ = 0;
};

} // namespace hawser::chaos
