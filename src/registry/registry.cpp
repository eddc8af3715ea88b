#include "registry/registry.h"

#include <array>
#include <format>
#include <utility>

#include "base/check.h"
#include "registry/commands.h"
#include "registry/levels.h"

namespace hawser::registry {

namespace {

// meta(): a version, then its numbers, 8 bytes each, big end first.
constexpr char meta_version = 2;
constexpr std::size_t meta_bytes = 1 + 5 * 8;

void write_number(std::string& bytes, std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<char>(number >> shift));
}

std::uint64_t read_number(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes.substr(0, 8))
        number = number << 8 | static_cast<std::uint8_t>(byte);
    return number;
}

std::array<std::uint64_t*, 5> numbers_of(Meta& meta) {
    return {&meta.index, &meta.cursors.next4, &meta.cursors.next6, &meta.forgotten.operators,
            &meta.forgotten.reports};
}

struct Dispatch {
    Draft& draft;
    WallTime now;

    Result<void> operator()(const model::CreateJoinToken& command) const {
        return carry_out(command, now, draft);
    }
    Result<void> operator()(const model::CreateOperatorToken& command) const {
        return carry_out(command, now, draft);
    }
    Result<void> operator()(const auto& command) const { return carry_out(command, draft); }
};

std::unexpected<Error> contradiction(const model::Change& row, std::string_view why) {
    return fail(ErrorCode::corrupt,
                std::format("registry row {} '{}' {}", model::to_string(row.kind), row.key, why));
}

Result<void> check_row(const model::Change& row, const Tables& tables, std::uint64_t index) {
    if (row.deleted()) return contradiction(row, "is stored as deleted");
    if (row.kind != model::kind_of(*row.value) || row.key != model::key_of(*row.value)) {
        return contradiction(row, "holds another resource");
    }
    if (row.index > index) return contradiction(row, "is newer than the registry");
    if (tables.find(row.kind, row.key) != nullptr) return contradiction(row, "is stored twice");
    if (const auto* service = std::get_if<model::Service>(row.value.get())) {
        if (tables.vip_taken(service->vip4) || tables.vip_taken(service->vip6)) {
            return contradiction(row, "has the address of another service");
        }
    }
    if (row.kind == model::Kind::trust_domain && tables.trust() != nullptr) {
        return contradiction(row, "is a second trust domain");
    }
    return {};
}

} // namespace

Result<Registry> Registry::restore(std::vector<model::Change> rows, std::string_view meta) {
    Registry registry;
    if (meta.empty() && rows.empty()) return registry;
    if (meta.size() != meta_bytes || meta.front() != meta_version) {
        return fail(ErrorCode::corrupt, "the registry's stored head is not one this version wrote");
    }
    std::string_view numbers = meta.substr(1);
    for (std::uint64_t* number : numbers_of(registry.meta_)) {
        *number = read_number(numbers);
        numbers.remove_prefix(8);
    }
    for (const model::Change& row : rows) {
        if (Result<void> checked = check_row(row, registry.tables_, registry.meta_.index);
            !checked) {
            return fail(std::move(checked.error()));
        }
        registry.tables_.carry_out(row);
    }
    return registry;
}

std::string Registry::meta() const {
    std::string bytes(1, meta_version);
    Meta meta = meta_;
    for (const std::uint64_t* number : numbers_of(meta)) write_number(bytes, *number);
    return bytes;
}

Result<Draft> Registry::draft(const model::CommandEnvelope& envelope) const {
    Draft draft(tables_, meta_);
    const Dispatch dispatch{.draft = draft, .now = envelope.proposed_at};
    if (Result<void> done = std::visit(dispatch, envelope.command); !done) {
        return fail(std::move(done.error()));
    }
    return draft;
}

Result<Outcome> Registry::check(const model::CommandEnvelope& envelope) const {
    if (Result<void> known = check_level(model::level_of(envelope.command), tables_); !known) {
        return fail(std::move(known.error()));
    }
    Result<Draft> made = draft(envelope);
    if (!made) return fail(std::move(made.error()));
    Outcome outcome = std::move(*made).finish(meta_.index + 1);
    outcome.index = meta_.index;
    return outcome;
}

Result<Outcome> Registry::apply(std::uint64_t index, const model::CommandEnvelope& envelope) {
    HAWSER_CHECK(index > meta_.index);
    Result<Draft> made = draft(envelope);
    if (!made) return fail(std::move(made.error()));
    Meta meta = made->meta();
    Outcome outcome = std::move(*made).finish(index);
    if (outcome.changes.empty()) {
        outcome.index = meta_.index;
        return outcome;
    }
    meta.index = index;
    remember(outcome, envelope, tables_, meta.forgotten);
    for (const model::Change& change : outcome.changes) tables_.carry_out(change);
    meta_ = meta;
    return outcome;
}

std::vector<std::string> describe(const Outcome& outcome) {
    std::vector<std::string> lines;
    lines.reserve(outcome.changes.size());
    for (std::size_t at = 0; at < outcome.changes.size(); ++at) {
        const model::Change& change = outcome.changes[at];
        if (change.kind == model::Kind::history) break; // the last ones
        lines.push_back(std::format("{}/{} {}", model::to_string(change.kind), change.key,
                                    model::to_string(outcome.verbs[at])));
    }
    return lines;
}

} // namespace hawser::registry
