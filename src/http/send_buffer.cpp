#include "http/send_buffer.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace hawser::http {

// A chunk is one allocation: this head, then its bytes.
struct SendBuffer::Chunk {
    Chunk* next;
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t capacity;

    std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

namespace {

using Chunk = SendBuffer::Chunk;

// Two sizes: a request or a keystroke must not pin what a bulk transfer needs.
constexpr std::size_t small_allocation = 4 << 10;
constexpr std::size_t large_allocation = 64 << 10;
// Kept for reuse per thread and size; beyond it, memory goes back to the allocator.
constexpr std::size_t kept_small = 64;
constexpr std::size_t kept_large = 16;

// A connection may outlive its thread's own variables, at the thread's exit.
thread_local bool lists_closed = false;

class FreeList {
  public:
    FreeList(std::size_t allocation, std::size_t kept) : allocation_(allocation), kept_(kept) {}
    ~FreeList() {
        while (first_ != nullptr) std::free(pop());
        lists_closed = true;
    }
    FreeList(const FreeList&) = delete;
    FreeList& operator=(const FreeList&) = delete;

    Chunk* take() {
        const bool reuse = !lists_closed && first_ != nullptr;
        void* memory = reuse ? pop() : std::malloc(allocation_);
        if (memory == nullptr) throw std::bad_alloc();
        return new (memory) Chunk{.next = nullptr, .begin = 0, .end = 0, .capacity = capacity()};
    }
    void give(Chunk* chunk) {
        if (lists_closed || count_ == kept_) return std::free(chunk);
        chunk->next = first_;
        first_ = chunk;
        ++count_;
    }
    [[nodiscard]] std::uint32_t capacity() const {
        return static_cast<std::uint32_t>(allocation_ - sizeof(Chunk));
    }

  private:
    Chunk* pop() {
        Chunk* chunk = first_;
        first_ = chunk->next;
        --count_;
        return chunk;
    }

    std::size_t allocation_;
    std::size_t kept_;
    Chunk* first_ = nullptr;
    std::size_t count_ = 0;
};

thread_local FreeList small_chunks(small_allocation, kept_small);
thread_local FreeList large_chunks(large_allocation, kept_large);

} // namespace

std::span<std::uint8_t> SendBuffer::room(std::size_t wanted) {
    if (last_ == nullptr || last_->end == last_->capacity) add_chunk(wanted);
    const std::size_t free = last_->capacity - last_->end;
    return {last_->bytes() + last_->end, std::min(free, wanted)};
}

void SendBuffer::commit(std::size_t count) {
    HAWSER_CHECK(count == 0 || (last_ != nullptr && count <= last_->capacity - last_->end));
    if (count == 0) return;
    last_->end += static_cast<std::uint32_t>(count);
    size_ += count;
}

void SendBuffer::append(ByteView data) {
    while (!data.empty()) {
        const auto space = room(data.size());
        std::memcpy(space.data(), data.data(), space.size());
        commit(space.size());
        data = data.subspan(space.size());
    }
}

void SendBuffer::take(std::size_t count, std::uint8_t* out) {
    HAWSER_CHECK(count <= size_);
    size_ -= count;
    while (count > 0) {
        const std::size_t part = std::min<std::size_t>(count, first_->end - first_->begin);
        std::memcpy(out, first_->bytes() + first_->begin, part);
        first_->begin += static_cast<std::uint32_t>(part);
        out += part;
        count -= part;
        if (first_->begin == first_->end) drop_first();
    }
}

void SendBuffer::clear() {
    while (first_ != nullptr) drop_first();
    size_ = 0;
}

void SendBuffer::add_chunk(std::size_t wanted) {
    const bool small = size_ == 0 && wanted <= small_chunks.capacity();
    Chunk* chunk = (small ? small_chunks : large_chunks).take();
    (last_ != nullptr ? last_->next : first_) = chunk;
    last_ = chunk;
}

void SendBuffer::drop_first() {
    Chunk* chunk = first_;
    first_ = chunk->next;
    if (first_ == nullptr) last_ = nullptr;
    (chunk->capacity == small_chunks.capacity() ? small_chunks : large_chunks).give(chunk);
}

} // namespace hawser::http
