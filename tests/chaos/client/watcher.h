// A client that follows all registers through any server, and goes on elsewhere from where it was
// when that one breaks. What it is told goes to the history.
//
// Threading: all on one loop.
#pragma once

#include <cstdint>
#include <random>

#include "base/result.h"
#include "history.h"
#include "io/loop.h"
#include "model/proto/control.pb.h"
#include "servers.h"

namespace hawser::chaos {

class Watcher {
  public:
    // `servers` and `history` outlive it.
    Watcher(const Servers& servers, History& history, std::uint32_t seed, std::size_t number);

    // Until cancelled, or a server says what no fault explains.
    [[nodiscard]] io::Task<Result<void>> run();
    // It was told everything up to here.
    [[nodiscard]] std::uint64_t seen() const { return seen_; }

  private:
    [[nodiscard]] io::Task<Result<void>> follow();
    [[nodiscard]] Result<void> take(const v1::WatchResponse& message);
    [[nodiscard]] Result<void> take_row(const v1::Change& row, bool initial);
    void note(Event event) {
        history_.add(Told{.watcher = number_, .event = event, .index = seen_});
    }
    [[nodiscard]] io::Task<void> step_aside();

    const Servers& servers_;
    History& history_;
    std::size_t number_;
    std::size_t server_;
    std::minstd_rand random_;
    std::uint64_t seen_ = 0;  // 0: begins with the rows
    std::uint64_t epoch_ = 0; // of it
};

} // namespace hawser::chaos
