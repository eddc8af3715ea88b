// Resources as they were: each that changed since is given the value it had, as a new write. Only
// what can be applied is rolled back; nodes, tokens and certificates cannot be brought back by
// writing them down.
#include <format>
#include <set>

#include "base/bytes.h"
#include "model/command.h"
#include "registry/commands.h"

namespace hawser::registry {

namespace {

Result<void> check_reach(std::uint64_t index, const Meta& meta) {
    if (index == 0) return fail(ErrorCode::invalid, "there is no index 0 to go back to");
    if (index > meta.index) {
        return fail(
            ErrorCode::out_of_range,
            std::format("index {} does not exist yet; the newest is {}", index, meta.index));
    }
    if (index < meta.forgotten.operators) {
        return fail(ErrorCode::out_of_range,
                    std::format("history reaches back to index {} only, not to {}",
                                meta.forgotten.operators, index));
    }
    return {};
}

// It did not exist then. With instances its agents would register it again, as a service with
// defaults; so that is what it becomes.
Result<void> unmake(model::Kind kind, const std::string& name, Draft& draft) {
    if (kind != model::Kind::service || !draft.before().has_instances(name)) {
        draft.erase(kind, name);
        return {};
    }
    model::Service service;
    service.name = name;
    return draft.put_service(std::move(service));
}

Result<void> remake(model::Kind kind, const std::string& bytes, Draft& draft) {
    Result<model::Resource> value = model::decode(kind, bytes); // checks it, too
    if (!value) return fail(std::move(value.error()));
    if (auto* service = std::get_if<model::Service>(&*value)) {
        return draft.restore_service(std::move(*service));
    }
    draft.put(std::move(*value));
    return {};
}

// What was valid then may not be today: rules and the room that is left change.
Result<void> restore(const model::HistoryEntry& entry, std::uint64_t index, Draft& draft) {
    const auto kind = static_cast<model::Kind>(entry.kind);
    Result<void> restored =
        entry.before.empty() ? unmake(kind, entry.key, draft) : remake(kind, entry.before, draft);
    if (restored) return restored;
    return fail(ErrorCode::failed_precondition,
                std::format("{} '{}' cannot be again what it was at index {}: {}",
                            model::to_string(kind), entry.key, index, restored.error().message));
}

} // namespace

// The first change after the index says what stood there until then.
Result<void> carry_out(const model::Rollback& command, Draft& draft) {
    if (Result<void> reached = check_reach(command.index, draft.meta()); !reached) return reached;
    const Table& history = draft.before().rows(model::Kind::history);
    std::set<std::pair<std::uint8_t, std::string_view>> seen;
    for (auto row = history.lower_bound(std::format("o/{:016x}/", command.index + 1));
         row != history.end() && row->first.starts_with("o/"); ++row) {
        const auto& entry = std::get<model::HistoryEntry>(*row->second.value);
        const auto kind = static_cast<model::Kind>(entry.kind);
        if (!model::can_be_applied(kind) || !seen.emplace(entry.kind, entry.key).second) continue;
        if (entry.previous > command.index) {
            return fail(
                ErrorCode::out_of_range,
                std::format("history of {} '{}' reaches back to index {} only, not to {}",
                            model::to_string(kind), entry.key, entry.previous, command.index));
        }
        if (Result<void> restored = restore(entry, command.index, draft); !restored)
            return restored;
    }
    return check_policies_fit(draft);
}

} // namespace hawser::registry
