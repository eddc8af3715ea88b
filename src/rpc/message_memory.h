// What calls hold in memory of requests not yet handled, bounded together: the bound of one message
// times that of streams and connections would be gigabytes. One for each connection, within one
// for all of its listener. What goes over a bound is counted all the same: whoever took it gives
// it back.
#pragma once

#include <cstddef>

namespace hawser::rpc {

// What a call costs beside its messages: its stream, its objects, its coroutines.
inline constexpr std::size_t call_bytes = 4096;

// What a connection may hold whatever the others hold: an agent's heartbeats and its registration.
inline constexpr std::size_t own_share = 32 << 10;

class MessageMemory {
  public:
    // `whole`, if any, outlives this.
    explicit MessageMemory(std::size_t limit, MessageMemory* whole = nullptr)
        : limit_(limit), whole_(whole) {}
    MessageMemory(const MessageMemory&) = delete;
    MessageMemory& operator=(const MessageMemory&) = delete;

    // A holder of `before` bytes has `after` now. false: that is more than there is room for. Who
    // holds little always has room: those who hold much cannot crowd out the others.
    [[nodiscard]] bool change(std::size_t before, std::size_t after) {
        held_ = held_ - before + after;
        const bool fits_whole = whole_ == nullptr || whole_->change(before, after);
        return (fits_whole || held_ <= own_share) && held_ <= limit_;
    }
    void set_limit(std::size_t limit) { limit_ = limit; }
    [[nodiscard]] std::size_t held() const { return held_; }

  private:
    std::size_t limit_;
    MessageMemory* whole_;
    std::size_t held_ = 0;
};

} // namespace hawser::rpc
