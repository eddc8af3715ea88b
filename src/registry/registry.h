// The replicated state machine: the mesh's tables, changed only by commands of the log. The same
// commands in the same order give the same rows on every server, down to the byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/command.h"
#include "model/row.h"
#include "registry/draft.h"
#include "registry/tables.h"
#include "registry/vips.h"

namespace hawser::registry {

class Registry {
  public:
    // From rows() and meta() of a registry that was stored. Refuses rows that contradict each
    // other.
    static Result<Registry> restore(std::vector<model::Change> rows, std::string_view meta);

    // What apply() would do now, without doing it: refuses a proposal before it costs a write, and
    // answers dry runs. The state may be another when the command comes back from the log, so
    // apply() decides again.
    [[nodiscard]] Result<Outcome> check(const model::CommandEnvelope& envelope) const;

    // Carries out the command of log entry `index`, which rises from call to call. A refusal is an
    // outcome like any other: all servers refuse the same.
    [[nodiscard]] Result<Outcome> apply(std::uint64_t index,
                                        const model::CommandEnvelope& envelope);

    // Of the last entry that changed anything.
    [[nodiscard]] std::uint64_t index() const { return meta_.index; }
    // Up to where history was dropped, for want of room.
    [[nodiscard]] const Forgotten& forgotten() const { return meta_.forgotten; }
    [[nodiscard]] const Tables& tables() const { return tables_; }

    // The whole state: rows in the order of kind and key, and what follows from no row.
    [[nodiscard]] std::vector<model::Change> rows() const { return tables_.all(); }
    [[nodiscard]] std::string meta() const;

  private:
    [[nodiscard]] Result<Draft> draft(const model::CommandEnvelope& envelope) const;

    Tables tables_;
    Meta meta_;
};

// "service/api created", in the words of `hawser apply`.
[[nodiscard]] std::vector<std::string> describe(const Outcome& outcome);

} // namespace hawser::registry
