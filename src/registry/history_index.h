// What the rows of history are asked for: the changes of one resource, and how much room they all
// take. Follows from the rows alone.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/resources.h"
#include "model/row_key.h"

namespace hawser::registry {

// Who wrote what is remembered; each has its own room, so that many reports push out no decision.
enum class Writers : std::uint8_t { operators, agents };
[[nodiscard]] Writers writers_of(model::Kind kind);

// What remembering an entry is taken to cost. All servers must agree on it.
[[nodiscard]] std::size_t cost_of(const model::HistoryEntry& entry);

class HistoryIndex {
  public:
    // A resource's entries are added in their order and removed from either end.
    void add(const model::HistoryEntry& entry);
    void remove(const model::HistoryEntry& entry);

    // The indexes of a resource's changes, ascending.
    [[nodiscard]] const std::vector<std::uint64_t>& of(model::Kind kind,
                                                       std::string_view key) const;
    [[nodiscard]] std::size_t cost(Writers writers) const {
        return cost_[static_cast<std::size_t>(writers)];
    }

  private:
    std::unordered_map<model::RowKey, std::vector<std::uint64_t>, model::RowKeyHash,
                       model::RowKeyEqual>
        changes_;
    std::array<std::size_t, 2> cost_{};
};

} // namespace hawser::registry
