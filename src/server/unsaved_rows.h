// The registry's rows that changed since they were last stored, each once, in the order in which
// they first changed: history's come in that of their keys, which is how they are stored fastest.
// How many there may be is the raft node's business (RaftOptions::unsaved_rows).
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
        const auto [place, added] =
            places_.try_emplace({.kind = change.kind, .key = change.key}, rows_.size());
        if (added) {
            rows_.push_back(change);
        } else {
            rows_[place->second] = change;
        }
    }
    // What could not be stored; a row that changed again since stays as it is.
    void put_back(const std::vector<model::Change>& changes) {
        for (const model::Change& change : changes) {
            if (!places_.contains(model::RowKeyView{.kind = change.kind, .key = change.key}))
                put(change);
        }
    }
    [[nodiscard]] std::vector<model::Change> take() {
        places_.clear();
        return std::exchange(rows_, {});
    }
    void clear() { (void)take(); }
    [[nodiscard]] std::size_t size() const { return rows_.size(); }

  private:
    std::vector<model::Change> rows_;
    std::unordered_map<model::RowKey, std::size_t, model::RowKeyHash, model::RowKeyEqual> places_;
};

} // namespace hawser::server
