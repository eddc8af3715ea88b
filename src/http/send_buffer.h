// What a stream has yet to send: a bounded queue of bytes in chunks borrowed from the thread's
// pool. An idle stream holds no memory; a busy one reuses chunks that are warm in the cache.
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"

namespace hawser::http {

class SendBuffer {
  public:
    SendBuffer() = default;
    ~SendBuffer() { clear(); }
    SendBuffer(const SendBuffer&) = delete;
    SendBuffer& operator=(const SendBuffer&) = delete;

    [[nodiscard]] std::size_t size() const { return size_; }

    // Contiguous space for the next bytes: between 1 and `wanted` of them (`wanted` > 0).
    // Valid until the next call.
    [[nodiscard]] std::span<std::uint8_t> room(std::size_t wanted);
    // The first `count` bytes of the last room() are now part of the queue.
    void commit(std::size_t count);
    void append(ByteView data);
    // Moves the first `count` bytes (≤ size()) to `out`.
    void take(std::size_t count, std::uint8_t* out);
    void clear();

    struct Chunk;

  private:
    void add_chunk(std::size_t wanted);
    void drop_first();

    Chunk* first_ = nullptr;
    Chunk* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace hawser::http
