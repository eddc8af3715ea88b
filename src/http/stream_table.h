// Stream id → stream, for the streams of one connection: open addressing in one array, because
// every call of a relay looks its stream up. Ids of a connection only grow and few are open at a
// time, so that id / 2 modulo the size hardly ever collides. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace hawser::http {

// `Stream` has a member `id` (> 0). The table owns its streams.
template <typename Stream>
class StreamTable {
  public:
    [[nodiscard]] Stream* find(std::int32_t id) const {
        if (slots_.empty()) return nullptr;
        for (std::size_t at = home(id);; at = next(at)) {
            Stream* stream = slots_[at].get();
            if (stream == nullptr || stream->id == id) return stream;
        }
    }

    // The id must not be in the table.
    Stream& insert(std::int32_t id) {
        if ((count_ + 1) * 2 > slots_.size()) grow();
        auto stream = std::make_unique<Stream>();
        stream->id = id;
        Stream& result = *stream;
        place(std::move(stream));
        ++count_;
        return result;
    }

    // Takes a stream out; null if the id is not there.
    std::unique_ptr<Stream> remove(std::int32_t id) {
        if (slots_.empty()) return nullptr;
        std::size_t at = home(id);
        while (slots_[at] != nullptr && slots_[at]->id != id) at = next(at);
        if (slots_[at] == nullptr) return nullptr;
        auto removed = std::move(slots_[at]);
        --count_;
        // What was pushed past this slot moves back, so that a search may stop at a gap.
        for (std::size_t from = next(at); slots_[from] != nullptr; from = next(from)) {
            const std::size_t wanted = home(slots_[from]->id);
            if (((from - wanted) & mask()) < ((from - at) & mask())) continue;
            slots_[at] = std::move(slots_[from]);
            at = from;
        }
        return removed;
    }

    [[nodiscard]] std::size_t size() const { return count_; }

    [[nodiscard]] std::vector<std::int32_t> ids() const {
        std::vector<std::int32_t> result;
        result.reserve(count_);
        for (const auto& slot : slots_)
            if (slot != nullptr) result.push_back(slot->id);
        return result;
    }

  private:
    [[nodiscard]] std::size_t mask() const { return slots_.size() - 1; }
    [[nodiscard]] std::size_t home(std::int32_t id) const {
        return static_cast<std::size_t>(id >> 1) & mask();
    }
    [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & mask(); }

    void place(std::unique_ptr<Stream> stream) {
        std::size_t at = home(stream->id);
        while (slots_[at] != nullptr) at = next(at);
        slots_[at] = std::move(stream);
    }

    void grow() {
        std::vector<std::unique_ptr<Stream>> old(slots_.empty() ? 8 : slots_.size() * 2);
        old.swap(slots_);
        for (auto& stream : old)
            if (stream != nullptr) place(std::move(stream));
    }

    std::vector<std::unique_ptr<Stream>> slots_; // a power of two, at most half full
    std::size_t count_ = 0;
};

} // namespace hawser::http
