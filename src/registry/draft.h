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
#include "registry/tables.h"
#include "registry/vips.h"

namespace hawser::registry {

// What a command did. `verbs` says of each change what it was to the row.
struct Outcome {
    std::uint64_t index =
        0; // the registry's after it: a command that changed nothing moves nothing
    std::vector<model::Change> changes;
    std::vector<model::Verb> verbs;
};

class Draft {
  public:
    Draft(const Tables& tables, VipCursors cursors) : tables_(tables), cursors_(cursors) {}

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

    [[nodiscard]] const VipCursors& cursors() const { return cursors_; }
    [[nodiscard]] Outcome finish(std::uint64_t index) &&;

  private:
    using Key = std::pair<model::Kind, std::string>;

    // Null: not there. A pointer to null: deleted by this draft.
    [[nodiscard]] const ResourcePtr* find(model::Kind kind, std::string_view key) const;
    [[nodiscard]] Result<void> allocate_vips(model::Service& service,
                                             const model::TrustDomain& domain);

    const Tables& tables_;
    VipCursors cursors_;
    std::map<Key, ResourcePtr> changed_;
    std::array<std::ptrdiff_t, kind_places> growth_{}; // rows more than before, by kind
    std::unordered_set<IpAddress> new_vips_;
};

} // namespace hawser::registry
