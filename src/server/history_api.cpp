// What changed, what would change, and going back.
#include <algorithm>
#include <format>
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "io/clock.h"
#include "model/codec.h"
#include "server/api.h"

namespace hawser::server {

namespace {

constexpr std::uint32_t default_entries = 50;
constexpr std::uint32_t most_entries = 10'000;
constexpr std::size_t answer_bytes = limits::rpc_message_bytes / 2;

// Without a kind: what operators wrote. What agents reported is much, and asked for by its kind.
struct Wanted {
    std::optional<model::Kind> kind;
    std::string name;

    [[nodiscard]] bool by_operators() const { return !kind || model::written_by_operators(*kind); }
    [[nodiscard]] bool matches(const model::HistoryEntry& entry) const {
        return (!kind || entry.kind == static_cast<std::uint8_t>(*kind)) &&
               (name.empty() || entry.key == name);
    }
};

Result<Wanted> read_wanted(const v1::HistoryRequest& request) {
    Wanted wanted{.kind = std::nullopt, .name = request.name()};
    if (request.kind().empty()) {
        if (request.name().empty()) return wanted;
        return fail(ErrorCode::invalid, "a name needs its kind");
    }
    const Result<model::Kind> kind = model::parse_kind(request.kind());
    if (!kind) return fail(kind.error());
    if (*kind == model::Kind::history) return fail(ErrorCode::invalid, "history has no history");
    wanted.kind = *kind;
    return wanted;
}

v1::Difference difference(const model::Change& change, const registry::ResourcePtr& before) {
    v1::Difference message;
    message.set_kind(static_cast<std::uint32_t>(change.kind));
    message.set_key(change.key);
    if (before != nullptr) message.set_before(model::encode(*before));
    if (!change.deleted()) message.set_after(model::encode(*change.value));
    return message;
}

// Of the resources themselves: that they are remembered is not what somebody asked about.
template <typename Response>
Response tell_differences(const registry::Outcome& outcome) {
    Response response;
    response.set_index(outcome.index);
    std::size_t bytes = 0;
    for (std::size_t at = 0; at < outcome.changes.size(); ++at) {
        const model::Change& change = outcome.changes[at];
        if (!model::can_be_applied(change.kind)) continue;
        v1::Difference told = difference(change, outcome.before[at]);
        bytes += told.ByteSizeLong();
        if (bytes > answer_bytes) {
            response.set_left_out(response.left_out() + 1);
        } else {
            *response.add_differences() = std::move(told);
        }
    }
    return response;
}

// Going back to before the mesh would take everything away; nobody means that. Here and not in the
// registry, where it would be another rule for applying commands (model/command.h).
Result<void> check_mesh_existed(std::uint64_t index, const registry::Registry& registry) {
    const registry::Table& table = registry.tables().rows(model::Kind::history);
    const auto first = table.lower_bound("o/");
    const bool known = registry.forgotten().operators == 0 && first != table.end() &&
                       first->first.starts_with("o/");
    if (index == 0 || !known || index >= first->second.index) return {};
    return fail(ErrorCode::out_of_range,
                std::format("the mesh began at index {}: there was nothing to go back to at {}",
                            first->second.index, index));
}

} // namespace

// From the newest backwards.
Api::Answer<v1::HistoryResponse> Api::history(Actor, v1::HistoryRequest request) {
    const Result<Wanted> wanted = read_wanted(request);
    if (!wanted) co_return fail(wanted.error());
    const registry::Registry& registry = parts_.raft.registry();
    const char prefix = wanted->by_operators() ? 'o' : 'r';
    const std::uint64_t before =
        request.before_index() == 0 ? registry.index() + 1 : request.before_index();
    const std::uint32_t most =
        std::min(request.limit() == 0 ? default_entries : request.limit(), most_entries);

    v1::HistoryResponse response;
    response.set_index(registry.index());
    response.set_complete_since(wanted->by_operators() ? registry.forgotten().operators
                                                       : registry.forgotten().reports);
    const registry::Table& table = tables().rows(model::Kind::history);
    const auto begin = table.lower_bound(std::format("{}/", prefix));
    auto row = table.lower_bound(std::format("{}/{:016x}/", prefix, before));
    std::size_t bytes = 0;
    while (row != begin && std::cmp_less(response.entries_size(), most) && bytes < answer_bytes) {
        --row;
        const auto& entry = std::get<model::HistoryEntry>(*row->second.value);
        if (!wanted->matches(entry)) continue;
        *response.add_entries() = model::to_proto(entry);
        bytes += registry::cost_of(entry);
    }
    co_return response;
}

Api::Answer<v1::PlanResponse> Api::plan(Actor actor, v1::PlanRequest request) {
    Result<model::ApplyResources> command = model::from_proto(request.resources());
    if (!command) co_return fail(std::move(command.error()));
    const Result<registry::Outcome> outcome = parts_.raft.registry().check(
        {.command = std::move(*command), .actor = actor.name, .proposed_at = io::wall_now()});
    if (!outcome) co_return fail(outcome.error());
    co_return tell_differences<v1::PlanResponse>(*outcome);
}

Api::Answer<v1::RollbackResponse> Api::rollback(Actor actor, v1::RollbackRequest request) {
    const model::Rollback command{.index = request.index()};
    if (Result<void> existed = check_mesh_existed(request.index(), parts_.raft.registry());
        !existed)
        co_return fail(std::move(existed.error()));
    Result<registry::Outcome> outcome;
    if (request.dry_run()) {
        outcome = parts_.raft.registry().check(
            {.command = command, .actor = actor.name, .proposed_at = io::wall_now()});
    } else {
        outcome = co_await propose(command, actor);
    }
    if (!outcome) co_return fail(std::move(outcome.error()));
    co_return tell_differences<v1::RollbackResponse>(*outcome);
}

} // namespace hawser::server
