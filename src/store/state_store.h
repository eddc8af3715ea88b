// The registry's rows on disk, with the index of the last log entry they include. Rows and index
// change in one transaction, so entries after that index may be applied again and nothing twice.
//
// A commit survives a crash of the process at once and a power cut after sync(); what a power cut
// takes is still in the log, which is therefore compacted only after sync(). Blocking; one thread
// at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/row.h"
#include "raft/types.h"
#include "store/database.h"

namespace hawser::store {

// What was stored; also what to store, where `rows` are then only those that changed.
struct State {
    raft::Index applied = 0;
    std::string meta; // the registry's, opaque here
    std::vector<model::Change> rows;
    // Where the log was when replace() last put another state in place of this store's; write()
    // does not change it.
    std::optional<raft::Base> installed{};
};

class StateStore {
  public:
    static Result<StateStore> open(const std::string& path);

    // Every row, decoded and checked. A damaged, lost or extra row is a failure that names it.
    [[nodiscard]] Result<State> load();
    // All of it or, after a failure, nothing.
    [[nodiscard]] Result<void> write(const State& changes);
    // These rows and no others, also after a power cut; after a crash in the middle all is as it
    // was.
    [[nodiscard]] Result<void> replace(const State& state);
    // Everything written so far survives a power cut.
    [[nodiscard]] Result<void> sync() { return database_.checkpoint(); }

  private:
    // Says of the rows together what a checksum says of each: none is missing, none is old.
    struct Digest {
        std::uint64_t rows = 0;
        std::uint64_t checksums = 0; // their sum
        bool operator==(const Digest&) const = default;
    };
    struct Head {
        raft::Index applied = 0;
        std::string meta;
        Digest digest;
        std::optional<raft::Base> installed{};
    };

    explicit StateStore(Database database) : database_(std::move(database)) {}
    [[nodiscard]] Result<void> prepare();
    [[nodiscard]] Result<Head> load_head();
    [[nodiscard]] Result<void> store_head(const Head& head);
    [[nodiscard]] Result<void> replace_rows(const State& state);
    [[nodiscard]] Result<void> store_row(const model::Change& change, Digest& digest);
    [[nodiscard]] Result<void> insert_row(const model::Change& change, Digest& digest);

    Database database_;
    Statement find_, put_, erase_, put_head_;
    Head head_; // as stored
};

} // namespace hawser::store
