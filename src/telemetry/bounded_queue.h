// A bounded queue of values from many threads to one, without locks: a ring of slots, each with a
// turn number that says whether it is free for the next writer or full for the reader (the
// well-known scheme of D. Vyukov). A full queue refuses; nobody waits.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace hawser::telemetry {

template <typename Value>
class BoundedQueue {
  public:
    // Rounded up to a power of two.
    explicit BoundedQueue(std::size_t capacity)
        : mask_(std::bit_ceil(capacity) - 1), slots_(std::make_unique<Slot[]>(mask_ + 1)) {
        for (std::size_t i = 0; i <= mask_; ++i) slots_[i].turn.store(i, std::memory_order_relaxed);
    }

    // From any thread. false: full, and the value is unchanged.
    bool push(Value& value) {
        std::size_t position = writers_.load(std::memory_order_relaxed);
        while (true) {
            Slot& slot = slots_[position & mask_];
            const std::size_t turn = slot.turn.load(std::memory_order_acquire);
            if (turn == position) {
                if (!writers_.compare_exchange_weak(position, position + 1,
                                                    std::memory_order_relaxed))
                    continue;
                slot.value = std::move(value);
                slot.turn.store(position + 1, std::memory_order_release);
                return true;
            }
            if (static_cast<std::intptr_t>(turn - position) < 0) return false;
            position = writers_.load(std::memory_order_relaxed);
        }
    }

    // From the one reading thread. false: empty.
    bool pop(Value& value) {
        Slot& slot = slots_[reader_ & mask_];
        if (slot.turn.load(std::memory_order_acquire) != reader_ + 1) return false;
        value = std::move(slot.value);
        slot.turn.store(reader_ + mask_ + 1, std::memory_order_release);
        ++reader_;
        return true;
    }

  private:
    struct Slot {
        std::atomic<std::size_t> turn;
        Value value;
    };
    std::size_t mask_;
    std::unique_ptr<Slot[]> slots_;
    alignas(64) std::atomic<std::size_t> writers_{0};
    alignas(64) std::size_t reader_ = 0;
};

} // namespace hawser::telemetry
