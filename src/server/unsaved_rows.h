// The registry's rows that changed since they were last stored, each once.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/row_key.h"

namespace hawser::server {

class UnsavedRows {
  public:
    void put(const model::Change& change) {
        rows_.insert_or_assign(model::RowKey{.kind = change.kind, .key = change.key}, change);
    }
    // What could not be stored; a row that changed again since stays as it is.
    void put_back(std::vector<model::Change> changes) {
        for (model::Change& change : changes) {
            model::RowKey key{.kind = change.kind, .key = change.key};
            rows_.try_emplace(std::move(key), std::move(change));
        }
    }
    [[nodiscard]] std::vector<model::Change> take() {
        std::vector<model::Change> changes;
        changes.reserve(rows_.size());
        for (auto& [key, change] : rows_) changes.push_back(std::move(change));
        rows_.clear();
        return changes;
    }
    void clear() { rows_.clear(); }
    [[nodiscard]] std::size_t size() const { return rows_.size(); }

  private:
    std::unordered_map<model::RowKey, model::Change, model::RowKeyHash, model::RowKeyEqual> rows_;
};

} // namespace hawser::server
