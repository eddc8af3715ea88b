// What operators write and read: resources, and how far they are enforced.
#include <algorithm>
#include <chrono>
#include <format>

#include "base/bytes.h"
#include "io/clock.h"
#include "model/codec.h"
#include "server/api.h"
#include "server/resource_kinds.h"

namespace hawser::server {

namespace {

constexpr Duration longest_wait{300'000};

model::Change as_change(model::Kind kind, const std::string& key, const registry::Row& row) {
    return {.kind = kind, .key = key, .index = row.index, .value = row.value};
}

} // namespace

Result<model::Kind> readable_kind(const std::string& text) {
    Result<model::Kind> kind = model::parse_kind(text);
    if (!kind) return kind;
    if (*kind == model::Kind::join_token || *kind == model::Kind::operator_token) {
        return fail(ErrorCode::permission_denied,
                    "tokens cannot be read as resources; use hawser token list");
    }
    if (*kind == model::Kind::history) {
        return fail(ErrorCode::invalid, "history is no resource; use hawser history");
    }
    if (!model::visible_to_agents(*kind)) {
        return fail(ErrorCode::permission_denied,
                    std::format("a {} cannot be read as a resource", model::to_string(*kind)));
    }
    return kind;
}

Api::Answer<v1::ApplyResponse> Api::apply(Actor actor, v1::ApplyRequest request) {
    Result<model::ApplyResources> command = model::from_proto(request.resources());
    if (!command) co_return fail(std::move(command.error()));
    Result<void> allowed =
        refusing(api_method("/hawser.v1.Api/Apply"), actor, require_scope(actor, *command));
    if (!allowed) co_return fail(std::move(allowed.error()));
    Result<registry::Outcome> outcome;
    if (request.dry_run()) {
        if (Result<void> reached = co_await become_current(); !reached)
            co_return fail(std::move(reached.error()));
        outcome = parts_.raft.registry().check(
            {.command = std::move(*command), .actor = actor.name, .proposed_at = io::wall_now()});
    } else {
        outcome = co_await propose(std::move(*command), actor);
    }
    if (!outcome) co_return fail(std::move(outcome.error()));
    v1::ApplyResponse response;
    response.set_index(outcome->index);
    for (std::string& line : registry::describe(*outcome)) response.add_changed(std::move(line));
    co_return response;
}

Api::Answer<v1::DeleteResponse> Api::delete_resource(Actor actor, v1::DeleteRequest request) {
    Result<model::Kind> kind = model::parse_kind(request.kind());
    if (!kind) co_return fail(std::move(kind.error()));
    model::DeleteResource command{
        .kind = *kind, .name = request.name(), .if_index = request.if_index()};
    Result<void> allowed =
        refusing(api_method("/hawser.v1.Api/Delete"), actor, require_scope(actor, command));
    if (!allowed) co_return fail(std::move(allowed.error()));
    Result<registry::Outcome> outcome = co_await propose(std::move(command), actor);
    if (!outcome) co_return fail(std::move(outcome.error()));
    v1::DeleteResponse response;
    response.set_index(outcome->index);
    co_return response;
}

Api::Answer<v1::GetResponse> Api::get(Actor, v1::GetRequest request) {
    Result<model::Kind> kind = readable_kind(request.kind());
    if (!kind) co_return fail(std::move(kind.error()));
    v1::GetResponse response;
    response.set_index(parts_.raft.registry().index());
    response.set_epoch(tables().epoch());
    if (request.stale()) {
        if (const auto age = parts_.raft.staleness()) response.set_stale_ms(age->count());
    }
    const registry::Table& table = tables().rows(*kind);
    if (!request.name().empty()) {
        const auto row = table.find(request.name());
        if (row == table.end()) {
            co_return fail(ErrorCode::not_found,
                           std::format("there is no {} '{}'", model::to_string(*kind),
                                       printable(request.name(), 64)));
        }
        *response.add_rows() = model::to_proto(as_change(*kind, row->first, row->second));
        co_return response;
    }
    for (const auto& [key, row] : table) {
        *response.add_rows() = model::to_proto(as_change(*kind, key, row));
    }
    if (response.ByteSizeLong() > limits::rpc_message_bytes) {
        co_return fail(ErrorCode::resource_exhausted,
                       std::format("{} {} rows do not fit into one answer; ask for one by name",
                                   table.size(), model::to_string(*kind)));
    }
    co_return response;
}

Api::Answer<v1::WaitEnforcedResponse> Api::wait_enforced(Actor, v1::WaitEnforcedRequest request) {
    const std::uint64_t index = parts_.raft.registry().index();
    if (request.index() > index) {
        co_return fail(
            ErrorCode::out_of_range,
            std::format("index {} does not exist yet; the newest is {}", request.index(), index));
    }
    const Duration timeout = std::clamp(Duration(request.timeout_ms()), Duration(0), longest_wait);
    const Sessions::Enforcement enforcement = co_await parts_.sessions.wait_enforced(
        request.index(), std::chrono::steady_clock::now() + timeout);
    v1::WaitEnforcedResponse response;
    response.set_all(enforcement.behind.empty());
    response.set_agents(static_cast<std::uint32_t>(enforcement.agents));
    for (const std::string& node : enforcement.behind) response.add_behind(node);
    for (const std::string& node : enforcement.away) response.add_away(node);
    co_return response;
}

} // namespace hawser::server
