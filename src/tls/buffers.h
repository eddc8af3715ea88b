// The two buffers of a session. Their memory comes from a small store that each thread keeps, and
// goes back as soon as a buffer is empty: an idle session holds none, and a busy one allocates
// nothing. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/limits.h"

namespace hawser::tls {

// Four full records with their overhead, so that a write of 64 KiB fits.
inline constexpr std::size_t block_bytes = 66 << 10;
// A writer that minds limits::session_send_buffer never comes near this bound.
inline constexpr std::size_t outbound_bytes = 2 * limits::session_send_buffer;

// A linear buffer: bytes are added at its end and taken from its front.
class LinearBuffer {
  public:
    // It grows up to `bound` bytes, in powers of two from one block.
    explicit LinearBuffer(std::size_t bound) : bound_(bound) {}
    ~LinearBuffer() { release(); }
    LinearBuffer(const LinearBuffer&) = delete;
    LinearBuffer& operator=(const LinearBuffer&) = delete;

    // Room for `count` more bytes at the end, or less if that would exceed the bound. Moves what
    // is there to the front, or to a larger memory, only if it must.
    std::span<std::uint8_t> prepare(std::size_t count);
    void commit(std::size_t count);
    void consume(std::size_t count);
    void truncate(std::size_t size); // takes back what is behind; no effect on a shorter one
    void release();

    [[nodiscard]] ByteView view() const { return {memory_.get() + begin_, end_ - begin_}; }
    [[nodiscard]] std::span<std::uint8_t> bytes() { return {memory_.get() + begin_, size()}; }
    [[nodiscard]] std::size_t size() const { return end_ - begin_; }
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    [[nodiscard]] std::size_t available() const { return bound_ - size(); }

  private:
    void grow(std::size_t needed);

    std::unique_ptr<std::uint8_t[]> memory_;
    std::size_t capacity_ = 0, begin_ = 0, end_ = 0;
    std::size_t bound_;
};

} // namespace hawser::tls
