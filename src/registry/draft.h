// A command at work: the tables as they would be after it, without touching them. A command that
// fails half way leaves nothing behind, and validating one is the same code as applying it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/resources.h"
#include "model/row.h"
#include "registry/history.h"
#include "registry/tables.h"
#include "registry/vips.h"

namespace hawser::registry {

// What a command did. Of each change `verbs` says what it was to the row, and `before` what stood
// there. Rows of history are changes too, the last ones.
struct Outcome {
    std::uint64_t index =
        0; // the registry's after it: a command that changed nothing moves nothing
    std::vector<model::Change> changes;
    std::vector<model::Verb> verbs;
    std::vector<ResourcePtr> before;
};

// The replicated state that follows from no row.
struct Meta {
    std::uint64_t index = 0; // of the last entry that changed anything
    VipCursors cursors;
    Forgotten forgotten;
};

class Draft {
  public:
    Draft(const Tables& tables, const Meta& meta) : tables_(tables), meta_(meta) {}

    // As of this draft. Valid until the next put or erase of the same key.
    template <typename T>
    [[nodiscard]] const T* get(std::string_view key) const {
        const ResourcePtr* value = find(kind_for<T>, key);
        return value == nullptr ? nullptr : std::get_if<T>(value->get());
    }
    // As of before the command.
    [[nodiscard]] const Tables& before() const { return tables_; }
    [[nodiscard]] std::size_t count(model::Kind kind) const;

    // The same value again is no change.
    void put(model::Resource resource);
    void erase(model::Kind kind, std::string_view key);

    // Stores a service; a new one gets its addresses, a known one keeps them.
    [[nodiscard]] Result<void> put_service(model::Service service);
    // One that may have been deleted meanwhile: it gets back the addresses it had, if they are
    // free.
    [[nodiscard]] Result<void> restore_service(model::Service service);

    [[nodiscard]] const Meta& meta() const { return meta_; }
    [[nodiscard]] Outcome finish(std::uint64_t index) &&;

  private:
    using Key = std::pair<model::Kind, std::string>;

    struct Changed {
        ResourcePtr value;           // null: deleted, or never there
        const Row* before = nullptr; // null: it was not there
    };

    // Null: not there. A pointer to null: deleted by this draft.
    [[nodiscard]] const ResourcePtr* find(model::Kind kind, std::string_view key) const;
    [[nodiscard]] Changed as_it_was(const Key& key) const;
    [[nodiscard]] Result<void> allocate_vips(model::Service& service,
                                             const model::TrustDomain& domain);

    [[nodiscard]] Result<void> check_service_fits(const std::string& name) const;
    [[nodiscard]] bool vip_taken(const IpAddress& address) const;

    const Tables& tables_;
    Meta meta_;
    std::map<Key, Changed> changed_;
    std::array<std::ptrdiff_t, kind_places> growth_{}; // rows more than before, by kind
    std::unordered_set<IpAddress> new_vips_;
};

} // namespace hawser::registry
