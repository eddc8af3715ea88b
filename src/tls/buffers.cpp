#include "tls/buffers.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

namespace hawser::tls {
namespace {

using Memory = std::unique_ptr<std::uint8_t[]>;

// Blocks that no buffer of this thread uses now. Blocks are plain memory: a session that moves
// between threads may take one here and give it back there.
class BlockStore {
  public:
    ~BlockStore() { closed = true; }

    Memory take() {
        if (count_ == 0) return std::make_unique_for_overwrite<std::uint8_t[]>(block_bytes);
        return std::move(blocks_[--count_]);
    }
    void give(Memory block) {
        if (count_ < blocks_.size()) blocks_[count_++] = std::move(block);
    }

    // Sessions may outlive the thread's own variables at its exit.
    static thread_local bool closed;

  private:
    std::array<Memory, 16> blocks_; // about 1 MiB a thread
    std::size_t count_ = 0;
};
thread_local bool BlockStore::closed = false;
thread_local BlockStore store;

Memory take_block() {
    return BlockStore::closed ? std::make_unique_for_overwrite<std::uint8_t[]>(block_bytes)
                              : store.take();
}

} // namespace

std::span<std::uint8_t> LinearBuffer::prepare(std::size_t count) {
    count = std::min(count, available());
    if (capacity_ - end_ < count) {
        if (capacity_ - size() >= count) {
            std::memmove(memory_.get(), memory_.get() + begin_, size());
            end_ -= begin_;
            begin_ = 0;
        } else {
            grow(size() + count);
        }
    }
    return {memory_.get() + end_, std::min(capacity_ - end_, available())};
}

void LinearBuffer::grow(std::size_t needed) {
    std::size_t capacity = block_bytes;
    while (capacity < needed) capacity *= 2;
    Memory memory = capacity == block_bytes
                        ? take_block()
                        : std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
    const std::size_t held = size();
    if (held > 0) std::memcpy(memory.get(), memory_.get() + begin_, held);
    release();
    memory_ = std::move(memory);
    capacity_ = capacity;
    end_ = held;
}

void LinearBuffer::commit(std::size_t count) {
    HAWSER_CHECK(count <= capacity_ - end_);
    end_ += count;
    if (empty()) release();
}

void LinearBuffer::consume(std::size_t count) {
    HAWSER_CHECK(count <= size());
    begin_ += count;
    if (empty()) release();
}

void LinearBuffer::truncate(std::size_t size_wanted) {
    if (size_wanted >= size()) return;
    end_ = begin_ + size_wanted;
    if (empty()) release();
}

void LinearBuffer::release() {
    if (capacity_ == block_bytes && !BlockStore::closed) store.give(std::move(memory_));
    memory_.reset();
    capacity_ = begin_ = end_ = 0;
}

} // namespace hawser::tls
