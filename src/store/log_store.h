// The raft log on disk: term, vote and entries. What persist() returned from survives a power cut;
// what load() returns is what was persisted, checked entry by entry, or a failure that names what
// is damaged. Blocking; one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/core.h"
#include "store/database.h"

namespace hawser::store {

class LogStore {
  public:
    static Result<LogStore> open(const std::string& path);

    // Whose log this is; no_server: nobody's yet.
    [[nodiscard]] raft::ServerId id() const { return head_.id; }

    // Everything stored. `applied` is not this store's to know.
    [[nodiscard]] Result<raft::Restored> load();

    // Makes an empty log that of server `id`, with its first write in it.
    [[nodiscard]] Result<void> bootstrap(raft::ServerId id, const raft::Persist& first);

    // All of the writes, in their order, in one transaction with one fsync. After a failure
    // nothing of them is stored and they may be tried again.
    [[nodiscard]] Result<void> persist(std::span<const raft::Persist> writes);

    // Drops entries up to the base. The caller made sure they are durably in the state store.
    [[nodiscard]] Result<void> compact(const raft::Base& base);

  private:
    // The one row beside the entries; its checksum covers all of it.
    struct Head {
        raft::ServerId id = raft::no_server;
        raft::HardState hard_state{};
        raft::Base base{};
        bool operator==(const Head&) const = default;
    };

    explicit LogStore(Database database) : database_(std::move(database)) {}
    [[nodiscard]] Result<void> prepare();
    [[nodiscard]] Result<Head> load_head();
    [[nodiscard]] Result<void> store_head(const Head& head);
    [[nodiscard]] Result<void> store(std::span<const raft::Persist> writes, Head head);
    [[nodiscard]] Result<void> store_entries(std::span<const raft::Persist> writes, Head& head,
                                             raft::Index& last);
    [[nodiscard]] Result<void> store_row(std::vector<const raft::Entry*>& entries);
    [[nodiscard]] Result<void> cut_from(raft::Index first);
    [[nodiscard]] Result<std::vector<raft::Entry>> load_entries();
    [[nodiscard]] Result<std::vector<raft::Entry>> load_last_row();
    [[nodiscard]] Result<raft::Index> load_last();

    Database database_;
    Statement insert_, truncate_, find_, drop_, put_head_;
    Head head_;            // as stored
    raft::Index last_ = 0; // of the stored entries
};

} // namespace hawser::store
