// The rows that followers may see, a few at a time: whoever reads slowly costs no copy of them all.
//
// Rows that change while others are read are left out; the hub has those changes. What was read,
// and after it every change since `index`, is together a state that was the registry's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/row.h"
#include "registry/tables.h"

namespace hawser::server {

class RowScan {
  public:
    // `index`: the registry's, as it begins.
    explicit RowScan(std::uint64_t index) : index_(index) {}

    // At most `most` rows, in the order of kind and key; none: that was all.
    [[nodiscard]] std::vector<model::Change> next(const registry::Tables& tables, std::size_t most);

  private:
    std::uint64_t index_;
    std::size_t kind_ = 1; // of the row last read, or the first
    std::string key_;      // of the row last read; empty: none of this kind
};

} // namespace hawser::server
